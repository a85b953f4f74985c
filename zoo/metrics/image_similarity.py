"""How alike two images are, one pair after the other: for reconstructions and restored images."""

import numpy as np
import tensorflow as tf

from zoo.errors import UsageError
from zoo.metrics.estimate import Estimate, fingerprint

BATCH = 256  # pairs at once
BEST = 100.0  # dB; equal images have infinitely many, which no mean survives
WINDOW = 11  # pixels


def psnr(a, b) -> Estimate:
    """Peak signal-to-noise ratio, -10 log10 of the mean squared difference, in dB: 100 at most.

    Args:
        a: the true images, [n, h, w, c] in [0, 1]; the Estimate carries their fingerprint.
        b: what stands for them, of the same shape and range.

    Raises:
        UsageError: the shapes differ or are others, or a value is out of range.
    """
    values = _each(a, b, lambda x, y: tf.image.psnr(x, y, max_val=1.0))
    return Estimate(np.minimum(values, BEST), "PSNR", "dB", True, fingerprint(a))


def ssim(a, b) -> Estimate:
    """Structural similarity: 1 for equal images, about 0 for unrelated ones.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (2004,
    IEEE TIP 13), eq. 13, in Gaussian windows of 11 x 11 pixels that lie inside the image; mean
    over windows and channels. In float32, as TensorFlow computes it, right to about 0.0005.

    Args:
        a: the true images, [n, h, w, c] in [0, 1], h and w from 11 up.
        b: what stands for them, of the same shape and range.

    Raises:
        UsageError: as `psnr`, or the images are smaller than a window.
    """
    if min(np.shape(a)[1:3], default=WINDOW) < WINDOW:
        raise UsageError(
            f"ssim needs images of {WINDOW} x {WINDOW} pixels or more, got the shape"
            f" {np.shape(a)}; take psnr or l1"
        )
    values = _each(a, b, lambda x, y: tf.image.ssim(x, y, max_val=1.0, filter_size=WINDOW))
    return Estimate(values, "SSIM", "SSIM", True, fingerprint(a))


def l1(a, b) -> Estimate:
    """Mean absolute difference over pixels and channels, from 0 to 1.

    Args:
        a: the true images, [n, h, w, c] in [0, 1].
        b: what stands for them, of the same shape and range.

    Raises:
        UsageError: as `psnr`.
    """
    values = _each(a, b, lambda x, y: tf.reduce_mean(tf.abs(x - y), axis=(1, 2, 3)))
    return Estimate(values, "L1 distance", "of the range", False, fingerprint(a))


def _each(a, b, function):
    """The function's value for each pair: float64 [n]."""
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 4 or a.shape != b.shape or not a.size:
        raise UsageError(
            f"pairs are images [n, h, w, c] of one shape, got {a.shape} and {b.shape}; give each"
            " image its partner"
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
                f" {images.max()}; divide bytes by 255, clip what a model gives"
            )
    starts = range(0, len(a), BATCH)
    found = [function(*(np.float32(x[i : i + BATCH]) for x in (a, b))) for i in starts]
    return np.concatenate(found).astype(np.float64)
