"""People's own images: arrays, .npy and .npz files, folders. All become a dict of NumPy arrays.

"image" is uint8 (0..255) or float32 (0..1) of shape [n, h, w, c]; "label" int32 or int64 [n].
Pairs of images are "source" and "target".
Bitmaps as Quick, Draw! has them, rows of 784 values, are 28 x 28 images.
"""

import re
import zipfile

import numpy as np

from zoo.errors import UsageError

IMAGE_KEYS = ("image", "images", "x", "arr_0")
LABEL_KEYS = ("label", "labels", "y")
SUFFIXES = (".png", ".jpg", ".jpeg")
NUMPY = (".npy", ".npz")
PAIR = ("source", "target")
SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def from_arrays(source):
    """An array of images, or a dict of arrays with the key "image" or those of pairs, checked."""
    arrays = dict(source) if isinstance(source, dict) else {"image": source}
    images = PAIR if arrays.keys() >= {*PAIR} else ("image",)
    if not arrays.keys() >= {*images}:
        raise UsageError(
            "the images must have the key 'image', pairs of images 'source' and 'target', got the"
            f" keys {sorted(arrays)}"
        )
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    arrays |= {name: _images(arrays[name]) for name in images}
    count = len(arrays[images[0]])
    for name, value in arrays.items():
        if value.ndim < 1 or len(value) != count:
            raise UsageError(
                f"there are {count} images but {name!r} has the shape {value.shape}; "
                f"its first dimension must be {count}"
            )
        if value.dtype.kind not in "biuf":
            raise UsageError(f"{name!r} must hold numbers, got {value.dtype}")
    label = arrays.get("label")
    if label is not None and label.dtype.kind in "biu" and label.dtype != np.int32:
        arrays["label"] = label.astype(np.int64)
    return arrays


def _images(images):
    """uint8 or float32 [n, h, w, c] of any acceptable array; a UsageError says why one is not."""
    if images.dtype == bool:
        images = images.astype(np.uint8) * 255
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape:
        raise UsageError(f"images must be [n, h, w] or [n, h, w, c], got shape {images.shape}")
    if images.shape[-1] > 4:
        raise UsageError(
            f"images must have 1 to 4 channels, channels last, got shape {images.shape}; "
            "from [n, c, h, w] use images.transpose(0, 2, 3, 1)"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise UsageError(f"images must be uint8 (0..255) or floats (0..1), got {images.dtype}")
    low, high = images.min(), images.max()
    if np.isnan(low):
        raise UsageError(f"images must be in [0, 1], got {np.isnan(images).sum():,} NaN values")
    if low < 0 or high > 1:
        raise UsageError(
            f"float images must be in [0, 1], got values from {low:g} to {high:g}; "
            "rescale them, or pass uint8 for 0..255"
        )
    return images.astype(np.float32)


def from_path(path, image_size=None):
    """A folder of images, of class folders or of a NumPy file per class; such a file (a Path)."""
    if path.is_dir():
        return _folder(path, image_size)
    if path.suffix not in NUMPY:
        raise UsageError(f"{path} must be a folder of images, a .npy or a .npz file")
    return from_arrays(_numpy(path))


def _numpy(path):
    """What a .npy or .npz file holds, as a dict of arrays."""
    try:
        with path.open("rb") as file:  # np.load leaves a torn file open
            loaded = np.load(file, allow_pickle=False)
            arrays = _keyed(path, loaded) if path.suffix == ".npz" else {"image": loaded}
    except UsageError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read as NumPy data: {error}") from error
    image = arrays["image"]
    if image.ndim == 2 and image.shape[1] == 28 * 28:
        arrays["image"] = image.reshape(-1, 28, 28)
    return arrays


def _keyed(path, loaded):
    """The images, and the labels if there are any, of an open .npz file."""
    image, label = (
        next((key for key in keys if key in loaded.files), None)
        for keys in (IMAGE_KEYS, LABEL_KEYS)
    )
    if image is None:
        raise UsageError(
            f"{path} holds no images: expected one of the keys {', '.join(IMAGE_KEYS)}, "
            f"got {', '.join(loaded.files) or 'none'}"
        )
    return {"image": loaded[image]} | ({"label": loaded[label]} if label else {})


def _folder(path, image_size):
    """folder/*.png; folder/CLASS/*.png or folder/CLASS.npy, labels in the order of the names."""
    loose = files(path)
    classes = {d.name: files(d) for d in sorted(path.iterdir()) if d.is_dir()}
    empty = [name for name, group in classes.items() if not group and name[0] not in "._"]
    classes = {name: group for name, group in classes.items() if group}
    if classes and empty:
        raise UsageError(f"the class {path / empty[0]} is empty; remove the folder, or fill it")
    if not loose and not classes and (bitmaps := files(path, NUMPY)):
        return _classes(bitmaps, image_size)
    if bool(loose) == bool(classes):
        what = "both images and folders of images" if loose else "no images"
        raise UsageError(
            f"{path} holds {what} ({', '.join(SUFFIXES)}); expected images, one folder of images "
            f"per class, or one {' or '.join(NUMPY)} file per class"
        )
    loose = loose or [file for group in classes.values() for file in group]
    arrays = {"image": stacked(path, [picture(file) for file in loose], image_size)}
    if classes:
        counts = [len(group) for group in classes.values()]
        arrays["label"] = np.repeat(np.arange(len(classes)), counts)
    return arrays


def _classes(bitmaps, image_size):
    """The images of .npy and .npz files, one file a class."""
    groups = []
    for file in bitmaps:
        image = _numpy(file)["image"]
        if not len(image):
            raise UsageError(f"the class {file} is empty; remove the file, or fill it")
        groups.append(_images(image))
    groups = _alike(bitmaps[0].parent, groups, image_size)
    label = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return from_arrays({"image": np.concatenate(groups), "label": label})


def stacked(path, images, image_size):
    """Images [h, w, 1 or 3] as one array, cut and scaled if so asked; `path` is where they are."""
    if len({image.shape[-1] for image in images}) > 1:  # grey ones among colour ones
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    return np.stack(_alike(path, images, image_size))


def _alike(path, images, image_size):
    """A list of images [..., h, w, c], cut and scaled if so asked, with a check of their sizes."""
    if image_size is not None:
        images = [square(image, image_size) for image in images]
    sizes = sorted({image.shape[-3:-1] for image in images})
    if len(sizes) > 1:
        listed = ", ".join(f"{w}x{h}" for h, w in sizes[:3])
        raise UsageError(
            f"the images in {path} have {len(sizes)} sizes (width x height: {listed}"
            f"{', ...' if len(sizes) > 3 else ''}); give image_size to cut and scale them to one"
        )
    return images


def files(path, suffixes=SUFFIXES):
    """The files in a folder that are images, sorted by their names."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes)


def picture(file):
    """One image file as uint8 [h, w, 1 or 3]."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode[0] in "IF":
                raise UsageError(f"{file} has more than 8 bits a channel; convert it to 8 bits")
            grey = image.mode in ("1", "L", "LA")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read as an image: {error}") from error
    return pixels[..., None] if grey else pixels


def square(images, size):
    """Cut the centre square out of images [..., h, w, c] and scale it to [..., size, size, c].

    Bilinear with anti-aliasing; the type stays. A TensorFlow tensor gives a tensor, an array an
    array (in pieces, since the floats of many images do not fit in memory).
    """
    import tensorflow as tf

    if tuple(images.shape[-3:-1]) == (size, size):
        return images
    if isinstance(images, np.ndarray) and images.ndim == 4:
        return np.concatenate(
            [_square(tf, images[i : i + 256], size).numpy() for i in range(0, len(images), 256)]
        )
    scaled = _square(tf, images, size)
    return scaled.numpy() if isinstance(images, np.ndarray) else scaled


def _square(tf, images, size):
    height, width = images.shape[-3], images.shape[-2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = tf.image.crop_to_bounding_box(images, top, left, side, side)
    scaled = tf.image.resize(images, (size, size), antialias=True)
    return tf.saturate_cast(tf.round(scaled) if images.dtype == tf.uint8 else scaled, images.dtype)


def parsed(split, there=("train",)):
    """A split's name, which must be there, and the texts of its boundaries or None."""
    match = SPLIT.fullmatch(split.replace(" ", ""))
    if not match or match[1] not in there:
        raise UsageError(
            f"the splits there are: {', '.join(map(repr, there))}, or a part of one like "
            f"'{there[0]}[:1000]' or '{there[0]}[90%:]'; got {split!r}"
        )
    return match.groups()


def cut(arrays, split, there=("train",)):
    """The part of arrays that a split names: "train", "train[100:]", "train[:-10%]"."""
    count = len(next(iter(arrays.values())))
    start, stop = (_boundary(text, count, split) for text in parsed(split, there)[1:])
    arrays = {name: value[start:stop] for name, value in arrays.items()}
    if not len(next(iter(arrays.values()))):
        raise UsageError(f"the split {split!r} of {count} examples is empty; choose a larger part")
    return arrays


def _boundary(text, count, split):
    if not text:
        return None
    where = round(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    if abs(where) > count:
        raise UsageError(f"the split {split!r} goes beyond the {count} examples there are")
    return where
