"""People's own images: arrays, .npy and .npz files, folders. All become a dict of NumPy arrays.

"image" is uint8 (0..255) or float32 (0..1) of shape [n, h, w, c]; "label" int32 or int64 [n].
"""

import re
import zipfile

import numpy as np

from zoo.errors import UsageError

IMAGE_KEYS = ("image", "images", "x", "arr_0")
LABEL_KEYS = ("label", "labels", "y")
SUFFIXES = (".png", ".jpg", ".jpeg")
SPLIT = re.compile(r"train(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def from_arrays(source):
    """An array of images, or a dict of arrays with the key "image", checked."""
    arrays = dict(source) if isinstance(source, dict) else {"image": source}
    if "image" not in arrays:
        raise UsageError(f"the images must have the key 'image', got the keys {sorted(arrays)}")
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    arrays["image"] = _images(arrays["image"])
    count = len(arrays["image"])
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
    """A folder of images, a folder of class folders, a .npy or a .npz file (pathlib.Path)."""
    if path.is_dir():
        return _folder(path, image_size)
    if path.suffix not in (".npy", ".npz"):
        raise UsageError(f"{path} must be a folder of images, a .npy or a .npz file")
    try:
        with path.open("rb") as file:  # np.load leaves a torn file open
            loaded = np.load(file, allow_pickle=False)
            arrays = _keyed(path, loaded) if path.suffix == ".npz" else {"image": loaded}
    except UsageError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read as NumPy data: {error}") from error
    return from_arrays(arrays)


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
    """folder/*.png, or folder/CLASS/*.png with labels numbered in the order of the names."""
    loose = _files(path)
    classes = {d.name: _files(d) for d in sorted(path.iterdir()) if d.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    if bool(loose) == bool(classes):
        what = "both images and folders of images" if loose else "no images"
        raise UsageError(
            f"{path} holds {what} ({', '.join(SUFFIXES)}); expected images, or one folder of "
            "images per class"
        )
    files = loose or [file for group in classes.values() for file in group]
    images = [_picture(file) for file in files]
    if len({image.shape[-1] for image in images}) > 1:  # grey ones among colour ones
        images = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
    if image_size is not None:
        images = [square(image, image_size) for image in images]
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        listed = ", ".join(f"{w}x{h}" for h, w in sizes[:3])
        raise UsageError(
            f"the images in {path} have {len(sizes)} sizes (width x height: {listed}"
            f"{', ...' if len(sizes) > 3 else ''}); give image_size to cut and scale them to one"
        )
    arrays = {"image": np.stack(images)}
    if classes:
        counts = [len(group) for group in classes.values()]
        arrays["label"] = np.repeat(np.arange(len(classes)), counts)
    return arrays


def _files(path):
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)


def _picture(file):
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


def cut(arrays, split):
    """The part of arrays that a split names: "train", "train[100:]", "train[:-10%]"."""
    count = len(arrays["image"])
    match = SPLIT.fullmatch(split.replace(" ", ""))
    if not match:
        raise UsageError(
            f"arrays, folders and files have the one split 'train', or a part of it like "
            f"'train[:1000]' or 'train[90%:]'; got {split!r}"
        )
    start, stop = (_boundary(text, count, split) for text in match.groups())
    arrays = {name: value[start:stop] for name, value in arrays.items()}
    if not len(arrays["image"]):
        raise UsageError(f"the split {split!r} of {count} examples is empty; choose a larger part")
    return arrays


def _boundary(text, count, split):
    if not text:
        return None
    where = round(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)
    if abs(where) > count:
        raise UsageError(f"the split {split!r} goes beyond the {count} examples there are")
    return where
