"""Named data sets on disk, kept by TFDS: preparing and reading them.

Reading never accesses the internet; only `prepare` downloads.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import storage
from zoo.data.catalog import info
from zoo.data.hosts import check_hosts
from zoo.errors import (
    DataNotPreparedError,
    UnknownNameError,
    UsageError,
    ZooError,
    one_line,
    short_repr,
)

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    import tensorflow as tf
    from tensorflow_datasets.core import DatasetBuilder

    from zoo.data.dataset_info import DatasetInfo


def prepare(name: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Downloads or generates a data set unless it is on disk; one process at a time.

    Downloads go to `storage.directory(data_dir)`; generated data sets to `data_dir` or
    `storage.generated_directory()`. TFDS reports progress.

    Args:
        name: name in the catalog.
        data_dir: folder to prepare it in.

    Returns:
        The folder of the data set.

    Raises:
        UnknownNameError: the name.
        UsageError: a function computes the data set: there is nothing to prepare.
        DataNotPreparedError: files must be fetched by hand first.
        ZooError: a host does not answer (reported within seconds), the download fails or the disk
            is full.
    """
    dataset = info(name)
    folder = storage.folder_for(dataset.name, data_dir)
    builder = _builder(dataset, folder)
    if builder.is_prepared():
        return Path(builder.data_dir)
    with storage.preparation_lock(folder, dataset.name):
        builder = _builder(dataset, folder)  # another process may have prepared it meanwhile
        if not builder.is_prepared():
            _prepare(dataset, builder, folder, data_dir)
    return Path(builder.data_dir)


def _prepare(
    dataset: DatasetInfo, builder: DatasetBuilder, folder: Path, data_dir: str | os.PathLike | None
) -> None:
    import tensorflow_datasets as tfds

    manual = dataset.manual and storage.manual_dir(dataset.name, data_dir).is_dir()
    if dataset.manual and not manual and not dataset.network:
        raise storage.manual_download_error(dataset, data_dir)
    if dataset.network and not manual:
        check_hosts(dataset.name, builder)
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    except ZooError:
        raise
    except Exception as error:  # from TFDS, TensorFlow, the connection or the disk
        advice = f"Check the free space there, or set {storage.GENERATED[0]} to another folder"
        if not dataset.generated:
            subject = "the files put there by hand" if manual else "the internet connection"
            advice = f"Check {subject} and the free space"
        raise ZooError(
            f"could not prepare {dataset.name!r} in {folder}: {one_line(error)}. {advice}, then try"
            f" again: zoo data prepare {dataset.name}"
        ) from error
    if not builder.is_prepared():  # TFDS does not replace an existing folder
        raise ZooError(
            f"the data set {dataset.name!r} in {builder.data_dir} is incomplete: delete that folder"
            f" and run: zoo data prepare {dataset.name}"
        )


def read_images(
    name: str,
    split: str,
    image_size: int | None = None,
    data_dir: str | os.PathLike | None = None,
) -> dict[str, np.ndarray]:
    """A split of "name" or "name/class", in the data set's order, as a dict of arrays.

    Images are uint8 [n, h, w, c]; labels and parameters have the types of TFDS.

    Raises:
        DataNotPreparedError: it is not on disk.
        UnknownNameError: the class.
        UsageError: the split does not exist, or the data set has no single images.
    """
    import numpy as np
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from zoo.data.image_files import center_square

    dataset = info(name)
    if dataset.kind != "images":
        raise UsageError(
            f"{name} holds {dataset.kind}, not single images; load it with {dataset.loader}"
        )
    class_name = str(name).partition("/")[2]
    if dataset.by_class and not class_name:
        raise UsageError(
            f"{dataset.name} holds {dataset.splits['train']:,} images, too many to load at once; "
            f"name a class, e.g. '{dataset.name}/cat'"
        )
    builder, data = open_split(name, split, data_dir)
    features = builder.info.features
    label = _label(features, dataset.name, class_name) if class_name else None
    size = image_size or dataset.image_size
    images = [name for name in dataset.features if isinstance(features[name], tfds.features.Image)]

    def select(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        selected = {feature: example[feature] for feature in dataset.features}
        for image in images:
            selected[image] = features[image].decode_example(example[image])
            if size is not None:
                selected[image] = center_square(selected[image], size)
        return selected

    if class_name:
        data = data.filter(lambda example: example["label"] == label)
    data = data.map(select, num_parallel_calls=tf.data.AUTOTUNE).batch(1024)
    with read_errors(name, builder.data_dir):
        batches = list(data.as_numpy_iterator())
    if not batches:
        raise UsageError(f"{name} has no examples in the split {split!r}; choose a larger one")
    arrays = {key: np.concatenate([batch[key] for batch in batches]) for key in dataset.features}
    if dataset.binary:
        arrays["image"] = np.where(arrays["image"] > 0, 255, 0).astype(np.uint8)
    return arrays


def class_names(name: str, data_dir: str | os.PathLike | None = None) -> list[str] | None:
    """The names of the labels of a prepared data set; None if it has none."""
    dataset = info(name)
    features = _prepared_builder(dataset, data_dir).info.features
    return getattr(features["label"], "names", None) if "label" in dataset.features else None


def open_split(
    name: str, split: str, data_dir: str | os.PathLike | None = None
) -> tuple[Any, tf.data.Dataset]:
    """(TFDS builder, tf.data.Dataset of a split in the order on disk, images not yet decoded).

    Raises the errors of `read_images`.
    """
    import tensorflow_datasets as tfds

    dataset = info(name)
    builder = _prepared_builder(dataset, data_dir)
    features = builder.info.features
    images = [name for name in features if isinstance(features[name], tfds.features.Image)]
    return builder, _open_dataset(builder, dataset, split, images, tfds)


def _builder(dataset: DatasetInfo, folder: Path) -> DatasetBuilder:
    import tensorflow_datasets as tfds

    if dataset.module:
        importlib.import_module(dataset.module)
    name, _, config = dataset.name.partition("/")
    configs = tfds.builder_cls(name).builder_configs if config else {}
    if config.partition(":")[0] not in {"", *configs}:
        raise UnknownNameError(f"configuration of {name}", config, configs)
    with read_errors(dataset.name, folder / dataset.path):
        return tfds.builder(dataset.path, data_dir=str(folder))


@contextlib.contextmanager
def read_errors(name: str, folder: str | os.PathLike) -> Iterator[None]:
    """Turns the errors of TFDS and TensorFlow while reading a prepared data set into a ZooError."""
    try:
        yield
    except (ZooError, MemoryError):
        raise
    except Exception as error:  # damaged data raise many kinds
        raise ZooError(
            f"the data set {name!r} in {folder} cannot be read, it may be damaged"
            f" ({one_line(error)}): delete that folder and run: zoo data prepare"
            f" {name.partition('/')[0]}"
        ) from error


def _prepared_builder(dataset: DatasetInfo, data_dir: str | os.PathLike | None) -> DatasetBuilder:
    """The builder of a prepared data set; a generated one is prepared if necessary."""
    folder = storage.folder_for(dataset.name, data_dir)
    builder = _builder(dataset, folder)
    if builder.is_prepared():
        return builder
    if dataset.manual:
        raise storage.manual_download_error(dataset, data_dir)
    if dataset.network:
        raise DataNotPreparedError(
            f"the data set {dataset.name!r} is not in {folder}; fetch it with: zoo data prepare"
            f" {dataset.name}"
        )
    with storage.preparation_lock(folder, dataset.name):
        builder = _builder(dataset, folder)
        if not builder.is_prepared():
            print(f"preparing {dataset.name} in {folder} (only once)", file=sys.stderr, flush=True)
            silence = io.StringIO()  # hides the progress bars of TFDS
            with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
                _prepare(dataset, builder, folder, data_dir)
    return _builder(dataset, folder)


def _open_dataset(
    builder: DatasetBuilder, dataset: DatasetInfo, split: str, images: list[str], tfds: ModuleType
) -> tf.data.Dataset:
    """The undecoded tf.data.Dataset of a split. Raises UsageError, which lists the splits."""
    splits = list(builder.info.splits)
    parts = [part.strip() for part in split.split("+")]
    names = [re.split(r"[\[\s.]", part)[0] for part in parts]
    if splits and not set(names) <= {*splits, "all"}:
        raise UsageError(
            f"{dataset.name} in {builder.data_dir} has the splits {', '.join(splits)}; got "
            f"{short_repr(split)}. "
            f"Use one of these" + _incomplete_hint(dataset, splits, builder.data_dir)
        )
    for part in parts if splits else []:
        _check_part(builder, dataset, part)
    with read_errors(dataset.name, builder.data_dir):
        return builder.as_dataset(
            split="+".join(parts),
            decoders=dict.fromkeys(images, tfds.decode.SkipDecoding()),
            read_config=tfds.ReadConfig(interleave_cycle_length=1),  # the order on disk
        )


def _check_part(builder: DatasetBuilder, dataset: DatasetInfo, part: str) -> None:
    """Raises UsageError unless a part of a split can be parsed and holds an example."""
    from zoo.data import image_sources

    match = image_sources.SPLIT.fullmatch(part.replace(" ", ""))
    if match and match["name"] in builder.info.splits:
        if match["order"]:
            raise UsageError(
                f"{builder.name} is already shuffled: leave .{match['order']} out of {part!r}"
            )
        image_sources.split_slice(
            part, match.groupdict(), builder.info.splits[match["name"]].num_examples
        )
    try:  # a syntax that only TFDS reads, such as "train[0shard:3shard]"
        count = builder.info.splits[part].num_examples
        reason = "it holds no example"
    except Exception as error:
        count = 0
        reason = one_line(error)
    if count <= 0:
        raise UsageError(
            f"the split {short_repr(part)} of {dataset.name} cannot be read ({reason}); write it"
            " like 'train', 'train[:1000]' or 'train[90%:]'"
        )


def _incomplete_hint(dataset: DatasetInfo, splits: list[str], folder: str) -> str:
    if set(dataset.splits) <= set(splits):
        return ""
    return (
        f"; the data set on disk is incomplete: for all of {', '.join(dataset.splits)} delete that "
        f"folder ({folder}) and run: zoo data prepare {dataset.name}"
    )


def _label(features: Any, name: str, class_name: str) -> int:
    """The number of a class given by name."""
    names = getattr(features["label"], "names", []) if "label" in features else []
    if class_name not in names:
        raise UnknownNameError(f"class of {name}", class_name, names)
    return features["label"].str2int(class_name)
