"""Similarity of two images, pair by pair: for reconstructions and image translation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.errors import UsageError
from zoo.metrics.estimate import Estimate, fingerprint

BATCH = 256  # pairs per call
BEST = 100.0  # dB; equal images have infinity, which would spoil the mean
WINDOW = 11  # pixels


def psnr(a: Any, b: Any) -> Estimate:
    """Peak signal-to-noise ratio, -10 log10 of the mean squared difference, in dB: at most 100.

    Args:
        a: the true images, [n, h, w, c] in [0, 1]; the Estimate has their fingerprint.
        b: images to compare with them, of the same shape and range.

    Raises:
        UsageError: the shapes differ or are invalid, or a value is out of range.
    """
    values = _per_pair(a, b, lambda x, y: tf.image.psnr(x, y, max_val=1.0))
    return Estimate(np.minimum(values, BEST), "PSNR", "dB", True, fingerprint(a))


def ssim(a: Any, b: Any) -> Estimate:
    """Structural similarity: 1 for equal images, about 0 for unrelated ones.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (2004,
    IEEE TIP 13), eq. 13, in Gaussian windows of 11 x 11 pixels inside the image; mean over windows
    and channels. In float32, as computed by TensorFlow, accurate to about 0.0005.

    Args:
        a: the true images, [n, h, w, c] in [0, 1], h and w at least 11.
        b: images to compare with them, of the same shape and range.

    Raises:
        UsageError: as in `psnr`, or the images are smaller than a window.
    """
    if min(np.shape(a)[1:3], default=WINDOW) < WINDOW:
        raise UsageError(
            f"ssim needs images of {WINDOW} x {WINDOW} pixels or more, got the shape"
            f" {np.shape(a)}; use psnr or l1"
        )
    values = _per_pair(a, b, lambda x, y: tf.image.ssim(x, y, max_val=1.0, filter_size=WINDOW))
    return Estimate(values, "SSIM", "SSIM", True, fingerprint(a))


def l1(a: Any, b: Any) -> Estimate:
    """Mean absolute difference over pixels and channels, from 0 to 1.

    Args:
        a: the true images, [n, h, w, c] in [0, 1].
        b: images to compare with them, of the same shape and range.

    Raises:
        UsageError: as in `psnr`.
    """
    values = _per_pair(a, b, lambda x, y: tf.reduce_mean(tf.abs(x - y), axis=(1, 2, 3)))
    return Estimate(values, "L1 distance", "of the range", False, fingerprint(a))


def _per_pair(a: Any, b: Any, function: Callable) -> np.ndarray:
    """The function's value for each pair: float64 [n]."""
    a = np.asarray(a)
    b = np.asarray(b)
    if a.ndim != 4 or a.shape != b.shape or not a.size:
        raise UsageError(
            f"pairs are images [n, h, w, c] of one shape, got {a.shape} and {b.shape}; give each"
            " image its counterpart"
        )
    for images, name in ((a, "true"), (b, "other")):
        floats = np.issubdtype(images.dtype, np.floating)
        broken = int((~np.isfinite(images)).any(axis=(1, 2, 3)).sum()) if floats else 0
        if broken:
            raise UsageError(
                f"pairs are float images in [0, 1], got {broken:,} of {len(images):,} {name} images"
                " with pixels that are NaN or infinite"
            )
        if not floats or not 0 <= images.min() <= images.max() <= 1:
            raise UsageError(
                f"pairs are float images in [0, 1], got {images.dtype} from {images.min()} to"
                f" {images.max()}; divide uint8 by 255, clip a model's output"
            )
    starts = range(0, len(a), BATCH)
    values = [function(*(np.float32(x[i : i + BATCH]) for x in (a, b))) for i in starts]
    return np.concatenate(values).astype(np.float64)
