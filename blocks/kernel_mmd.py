"""Maximum mean discrepancy: a distance between the distributions of two samples.

Arthur Gretton et al., "A Kernel Two-Sample Test", 2012, Journal of Machine Learning Research 13.
"""

import tensorflow as tf

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def kernel(x: tf.Tensor, y: tf.Tensor, scales: tuple[float, ...] = SCALES) -> tf.Tensor:
    """Inverse multiquadratic kernel, summed over scales: [n, d], [m, d] -> [n, m].

    k(x, y) = sum_s C_s / (C_s + |x - y|^2) with C_s = 2 d s, for latents of unit variance:
    Tolstikhin et al., "Wasserstein Auto-Encoders" (2018, arXiv 1711.01558), section 4.
    """
    products = tf.matmul(x, y, transpose_b=True)
    distances = tf.reduce_sum(x**2, -1)[:, None] - 2 * products + tf.reduce_sum(y**2, -1)
    distances = tf.maximum(distances, 0.0)  # rounding may give a negative squared distance
    widths = [2.0 * x.shape[-1] * scale for scale in scales]
    return tf.add_n([width / (width + distances) for width in widths])


def mmd(x: tf.Tensor, y: tf.Tensor, scales: tuple[float, ...] = SCALES) -> tf.Tensor:
    """Unbiased estimate of MMD^2 between samples [n, d] and [n, d], as [n] terms to be averaged.

    The U-statistic of Gretton et al., equation 3, which compares no point with itself. For two
    samples of one distribution its expectation is 0, so an estimate may be negative. In a graph
    with an unknown n, fewer than 2 points give [0] terms.

    Raises ValueError for fewer than 2 points, or for samples of different sizes.
    """
    n = x.shape[0]
    if n is not None and (n < 2 or y.shape[0] not in (n, None)):
        raise ValueError(f"MMD needs two samples of one size >= 2, got {x.shape} and {y.shape}")
    size = tf.shape(x)[0]
    num_others = tf.cast(tf.maximum(size - 1, 1), x.dtype)
    kernels = [tf.linalg.set_diag(kernel(a, a, scales), tf.zeros_like(a[:, 0])) for a in (x, y)]
    within = tf.add_n([tf.reduce_sum(similarity, axis=1) / num_others for similarity in kernels])
    terms = within - 2 * tf.reduce_mean(kernel(x, y, scales), axis=1)
    return terms[: tf.where(size < 2, 0, size)]
