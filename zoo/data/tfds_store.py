"""Named data sets on disk, kept by TFDS: where they are, fetching them, reading them.

Reading never touches the network and never downloads; `prepare` does, and only it.
"""

import contextlib
import importlib
import io
import re
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from zoo.data import storage
from zoo.data.catalog import info
from zoo.errors import (
    DataNotPreparedError,
    UnknownNameError,
    UsageError,
    ZooError,
    one_line,
    short_repr,
)

TIMEOUT = 5  # seconds a host has to answer before a download is tried


def prepare(name, data_dir=None):
    """Download a data set (or generate it), if it is not there yet; one process at a time.

    Downloads go to `storage.directory(data_dir)`; what this library generates to `data_dir` or
    `storage.generated_directory()`. Progress is TFDS' own. Returns the folder.

    Raises UnknownNameError, DataNotPreparedError when something must be fetched by hand first, and
    ZooError when a host does not answer, the download fails or the disk is full; without a network
    that takes seconds.
    """
    row = info(name)
    folder = storage.folder_for(row.name, data_dir)
    builder = _builder(row, folder)
    if builder.is_prepared():
        return Path(builder.data_dir)
    with storage.preparation_lock(folder, row.name):
        builder = _builder(row, folder)  # another process may have prepared it meanwhile
        if not builder.is_prepared():
            _prepare(row, builder, folder, data_dir)
    return Path(builder.data_dir)


def _prepare(row, builder, folder, data_dir):
    import tensorflow_datasets as tfds

    by_hand = row.manual and storage.manual_dir(row.name, data_dir).is_dir()
    if row.manual and not by_hand and not row.network:
        raise _manual_download_error(row, data_dir)
    if row.network and not by_hand:
        _check_hosts(row, builder)
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    except ZooError:
        raise
    except Exception as error:  # of TFDS, TensorFlow, the network or the disk
        advice = f"Look at the free space there, or set {storage.GENERATED[0]} to another folder"
        if not row.generated:
            what = "the files put there by hand" if by_hand else "the network"
            advice = f"Check {what} and the free space"
        raise ZooError(
            f"could not prepare {row.name!r} in {folder}: {one_line(error)}. {advice}, then try"
            f" again: zoo data prepare {row.name}"
        ) from error
    if not builder.is_prepared():  # TFDS leaves alone what is there
        raise ZooError(
            f"the data set {row.name!r} in {builder.data_dir} is incomplete: delete that folder and"
            f" run: zoo data prepare {row.name}"
        )


def read_images(name, split, image_size=None, data_dir=None):
    """Read a split of "name" or "name/class" in the data set's order: a dict of arrays.

    Images are uint8 [n, h, w, c]; labels and parameters as TFDS types them. Raises
    DataNotPreparedError, UnknownNameError for a class, UsageError for a split that is not there.
    """
    import numpy as np
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from zoo.data.image_files import center_square

    row = info(name)
    if row.kind != "images":
        raise UsageError(f"{name} holds {row.kind}, no images alone; load it with {row.loader}")
    wanted = str(name).partition("/")[2]
    if row.by_class and not wanted:
        raise UsageError(
            f"{row.name} holds {row.splits['train']:,} images, too many to load at once; "
            f"name a class, e.g. '{row.name}/cat'"
        )
    builder, data = open_split(name, split, data_dir)
    features = builder.info.features
    label = _label(features, row.name, wanted) if wanted else None
    size = image_size or row.image_size
    images = [name for name in row.features if isinstance(features[name], tfds.features.Image)]

    def pick(example):
        found = {feature: example[feature] for feature in row.features}
        for image in images:
            found[image] = features[image].decode_example(example[image])
            if size is not None:
                found[image] = center_square(found[image], size)
        return found

    if wanted:
        data = data.filter(lambda example: example["label"] == label)
    data = data.map(pick, num_parallel_calls=tf.data.AUTOTUNE).batch(1024)
    with read_errors(name, builder.data_dir):
        batches = list(data.as_numpy_iterator())
    if not batches:
        raise UsageError(f"{name} has no examples in the split {split!r}; choose a larger one")
    arrays = {key: np.concatenate([batch[key] for batch in batches]) for key in row.features}
    if row.binary:
        arrays["image"] = np.where(arrays["image"] > 0, 255, 0).astype(np.uint8)
    return arrays


def class_names(name, data_dir=None):
    """What the labels of a prepared data set stand for, if it has some; else None."""
    row = info(name)
    features = _prepared_builder(row, data_dir).info.features
    return getattr(features["label"], "names", None) if "label" in row.features else None


def open_split(name, split, data_dir=None):
    """(TFDS builder, tf.data.Dataset of a split in the order on disk, images not yet decoded).

    Raises what `read` raises.
    """
    import tensorflow_datasets as tfds

    row = info(name)
    builder = _prepared_builder(row, data_dir)
    features = builder.info.features
    images = [name for name in features if isinstance(features[name], tfds.features.Image)]
    return builder, _open_dataset(builder, row, split, images, tfds)


def _builder(row, folder):
    import tensorflow_datasets as tfds

    if row.module:
        importlib.import_module(row.module)
    name, _, config = row.name.partition("/")
    configs = tfds.builder_cls(name).builder_configs if config else {}
    if config.partition(":")[0] not in {"", *configs}:
        raise UnknownNameError(f"configuration of {name}", config, configs)
    with read_errors(row.name, folder / row.path):
        return tfds.builder(row.path, data_dir=str(folder))


@contextlib.contextmanager
def read_errors(name, folder):
    """Turns what TFDS and TensorFlow raise while they read a prepared data set into a ZooError."""
    try:
        yield
    except (ZooError, MemoryError):
        raise
    except Exception as error:  # damaged data may raise anything
        raise ZooError(
            f"the data set {name!r} in {folder} cannot be read, it may be damaged"
            f" ({one_line(error)}): delete that folder and run: zoo data prepare"
            f" {name.partition('/')[0]}"
        ) from error


def _prepared_builder(row, data_dir):
    """The builder of a prepared data set; what is generated prepares itself."""
    folder = storage.folder_for(row.name, data_dir)
    builder = _builder(row, folder)
    if builder.is_prepared():
        return builder
    if row.manual:
        raise _manual_download_error(row, data_dir)
    if row.network:
        raise DataNotPreparedError(
            f"the data set {row.name!r} is not in {folder}; fetch it with: zoo data prepare"
            f" {row.name}"
        )
    with storage.preparation_lock(folder, row.name):
        builder = _builder(row, folder)
        if not builder.is_prepared():
            print(f"preparing {row.name} in {folder} (once)", file=sys.stderr, flush=True)
            silence = io.StringIO()  # one line is enough; TFDS would print its progress bars
            with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
                _prepare(row, builder, folder, data_dir)
    return _builder(row, folder)


def _manual_download_error(row, data_dir):
    fetch = f"fetch it with: zoo data prepare {row.name}; or " if row.network else ""
    return DataNotPreparedError(
        f"the data set {row.name!r} is not in {storage.directory(data_dir)}; {fetch}put"
        f" {row.manual} into {storage.manual_dir(row.name, data_dir)}, then run: zoo data prepare"
        f" {row.name}"
    )


def _open_dataset(builder, row, split, images, tfds):
    """The undecoded tf.data.Dataset of a split, or a UsageError naming the splits there are."""
    there = list(builder.info.splits)
    parts = [part.strip() for part in split.split("+")]
    asked = [re.split(r"[\[\s.]", part)[0] for part in parts]
    if there and not set(asked) <= {*there, "all"}:
        raise UsageError(
            f"{row.name} in {builder.data_dir} has the splits {', '.join(there)}; got "
            f"{short_repr(split)}. "
            f"Use one of these" + _partial(row, there, builder.data_dir)
        )
    for part in parts if there else []:
        _check_part(builder, row, part)
    with read_errors(row.name, builder.data_dir):
        return builder.as_dataset(
            split="+".join(parts),
            decoders=dict.fromkeys(images, tfds.decode.SkipDecoding()),
            read_config=tfds.ReadConfig(interleave_cycle_length=1),  # the order on disk
        )


def _check_part(builder, row, part):
    """Raises UsageError unless a part of a split can be parsed and holds an example."""
    from zoo.data import image_sources

    match = image_sources.SPLIT.fullmatch(part.replace(" ", ""))
    if match and match["name"] in builder.info.splits:
        if match["order"]:
            raise UsageError(
                f"{builder.name} is shuffled as it is: leave .{match['order']} out of {part!r}"
            )
        image_sources.split_slice(part, match, builder.info.splits[match["name"]].num_examples)
    try:  # what only TFDS reads, as "train[0shard:3shard]"
        count = builder.info.splits[part].num_examples
        reason = "it holds no example"
    except Exception as error:
        count, reason = 0, one_line(error)
    if count <= 0:
        raise UsageError(
            f"the split {short_repr(part)} of {row.name} cannot be read ({reason}); write it like"
            " 'train', 'train[:1000]' or 'train[90%:]'"
        )


def _partial(row, there, folder):
    if set(row.splits) <= set(there):
        return ""
    return (
        f"; the data set on disk is incomplete: for all of {', '.join(row.splits)} delete that "
        f"folder ({folder}) and run: zoo data prepare {row.name}"
    )


def _label(features, name, wanted):
    """The number of a class given by name."""
    known = getattr(features["label"], "names", []) if "label" in features else []
    if wanted not in known:
        raise UnknownNameError(f"class of {name}", wanted, known)
    return features["label"].str2int(wanted)


def _check_hosts(row, builder):
    """Ask each host for its header first: TFDS alone would retry in silence for 200 s."""
    import requests

    urls = {urlsplit(url).netloc: url for url in builder.url_infos}
    silent = dict.fromkeys(urls, f"no answer within {TIMEOUT} s")

    def ask(host):
        try:
            requests.head(urls[host], timeout=TIMEOUT)
            del silent[host]
        except requests.RequestException as error:
            silent[host] = type(error).__name__

    threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT + 1)
    if silent:
        hosts = ", ".join(f"{host} ({why})" for host, why in list(silent.items()))
        raise ZooError(
            f"cannot download {row.name!r}: {hosts}. Check the network (HTTPS_PROXY is honoured) "
            f"and try again, or put a prepared copy at {builder.data_dir}"
        )
