"""Named data sets on disk, kept by TFDS: where they are, fetching them, reading them.

Reading never touches the network and never downloads; `prepare` does, and only it.
"""

import contextlib
import importlib
import io
import os
import re
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from zoo.data.catalog import info
from zoo.errors import DataNotPrepared, UnknownName, UsageError, ZooError, one_line
from zoo.files import user_path

TIMEOUT = 5  # seconds a host has to answer before a download is tried


def directory(data_dir=None):
    """The folder TFDS keeps data in: `data_dir`, TFDS_DATA_DIR or ~/tensorflow_datasets."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return user_path(chosen, "TFDS_DATA_DIR")


def is_prepared(name, data_dir=None):
    """Whether the data set is on disk, in any version; needs neither TensorFlow nor TFDS."""
    found = (directory(data_dir) / info(name).path).rglob("dataset_info.json")
    return any("incomplete" not in path.parent.name for path in found)


def manual_dir(name, data_dir=None):
    """The folder for what has to be fetched by hand before a data set can be prepared."""
    return directory(data_dir) / "downloads" / "manual" / info(name).name


def prepare(name, data_dir=None):
    """Download a data set (or grow it) into `directory(data_dir)`, if it is not there yet.

    Progress is TFDS' own. Returns the folder. Raises UnknownName, DataNotPrepared when something
    must be fetched by hand first, and ZooError when a host does not answer or the download fails;
    without a network that takes seconds.
    """
    import requests
    import tensorflow_datasets as tfds

    row = info(name)
    builder = _builder(row, data_dir)
    if not builder.is_prepared():
        by_hand = row.manual and manual_dir(row.name, data_dir).is_dir()
        if row.manual and not by_hand and not row.network:
            raise _by_hand(row, data_dir)
        if row.network and not by_hand:
            _check_hosts(row, builder)
        try:
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(try_download_gcs=False)
            )
        except (requests.RequestException, tfds.download.DownloadError, OSError) as error:
            raise ZooError(
                f"could not prepare {row.name!r} in {directory(data_dir)}: {error}. Check the "
                f"network and the free space, then try again: zoo data prepare {row.name}"
            ) from error
    return Path(builder.data_dir)


def read(name, split, image_size=None, data_dir=None):
    """Read a split of "name" or "name/class" in the data set's order: a dict of arrays.

    Images are uint8 [n, h, w, c]; labels and parameters as TFDS types them. Raises
    DataNotPrepared, UnknownName for a class, UsageError for a split that is not there.
    """
    import numpy as np
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from zoo.data.image_files import square

    row = info(name)
    if row.kind != "images":
        raise UsageError(f"{name} holds {row.kind}, no images alone; load it with {row.loader}")
    wanted = str(name).partition("/")[2]
    if row.by_class and not wanted:
        raise UsageError(
            f"{row.name} holds {row.splits['train']:,} images, too many to load at once; "
            f"name a class, e.g. '{row.name}/cat'"
        )
    builder, data = opened(name, split, data_dir)
    features = builder.info.features
    label = _label(features, row.name, wanted) if wanted else None
    size = image_size or row.image_size
    images = [name for name in row.features if isinstance(features[name], tfds.features.Image)]

    def pick(example):
        found = {feature: example[feature] for feature in row.features}
        for image in images:
            found[image] = features[image].decode_example(example[image])
            if size is not None:
                found[image] = square(found[image], size)
        return found

    if wanted:
        data = data.filter(lambda example: example["label"] == label)
    data = data.map(pick, num_parallel_calls=tf.data.AUTOTUNE).batch(1024)
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
    features = _builder(row, data_dir).info.features
    return getattr(features["label"], "names", None) if "label" in row.features else None


def opened(name, split, data_dir=None):
    """(TFDS builder, tf.data.Dataset of a split in the order on disk, images not yet decoded).

    Raises what `read` raises.
    """
    import tensorflow_datasets as tfds

    row = info(name)
    builder = _ready(row, data_dir)
    features = builder.info.features
    images = [name for name in features if isinstance(features[name], tfds.features.Image)]
    return builder, _open(builder, row, split, images, tfds)


def _builder(row, data_dir):
    import tensorflow_datasets as tfds

    if row.module:
        importlib.import_module(row.module)
    return tfds.builder(row.path, data_dir=str(directory(data_dir)))


def _ready(row, data_dir):
    """The builder of a prepared data set; what needs no network prepares itself."""
    builder = _builder(row, data_dir)
    if builder.is_prepared():
        return builder
    if row.manual:
        raise _by_hand(row, data_dir)
    if row.network:
        raise DataNotPrepared(
            f"the data set {row.name!r} is not in {directory(data_dir)}; fetch it with: "
            f"zoo data prepare {row.name}"
        )
    print(f"preparing {row.name} in {directory(data_dir)} (once)", file=sys.stderr)
    silence = io.StringIO()  # one line is enough; TFDS would print its progress bars
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        prepare(row.name, data_dir)
    return _builder(row, data_dir)


def _by_hand(row, data_dir):
    fetch = f"fetch it with: zoo data prepare {row.name}; or " if row.network else ""
    return DataNotPrepared(
        f"the data set {row.name!r} is not in {directory(data_dir)}; {fetch}put {row.manual} into "
        f"{manual_dir(row.name, data_dir)}, then run: zoo data prepare {row.name}"
    )


def _open(builder, row, split, images, tfds):
    """The undecoded tf.data.Dataset of a split, or a UsageError naming the splits there are."""
    there = list(builder.info.splits)
    asked = [re.split(r"[\[\s]", part.strip())[0] for part in split.split("+")]
    if there and not set(asked) <= {*there, "all"}:
        raise UsageError(
            f"{row.name} in {builder.data_dir} has the splits {', '.join(there)}; got {split!r}. "
            f"Use one of these" + _partial(row, there, builder.data_dir)
        )
    _check_parts(builder, split)
    try:
        return builder.as_dataset(
            split=split,
            decoders=dict.fromkeys(images, tfds.decode.SkipDecoding()),
            read_config=tfds.ReadConfig(interleave_cycle_length=1),  # the order on disk
        )
    except Exception as error:  # TFDS' own errors of a split that it cannot parse
        raise UsageError(
            f"the split {one_line(split)!r} of {row.name} cannot be read ({one_line(error)}); write"
            " it like 'train', 'train[:1000]' or 'train[90%:]'"
        ) from error


def _check_parts(builder, split):
    """Raises UsageError for a part that is empty or too large; what only TFDS reads passes."""
    from zoo.data import sources

    for part in split.split("+"):
        match = sources.SPLIT.fullmatch(part.replace(" ", ""))
        if not match or match["name"] not in builder.info.splits:
            continue
        if match["order"]:
            raise UsageError(
                f"{builder.name} is shuffled as it is: leave .{match['order']} out of {part!r}"
            )
        sources.slice_of(part, match, builder.info.splits[match["name"]].num_examples)


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
        raise UnknownName(f"class of {name}", wanted, known)
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
