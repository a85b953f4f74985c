"""Principal component analysis of images."""

import tensorflow as tf


def fit_pca(images: tf.Tensor, num_features: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Fits the principal components, scaled so that features have standard deviation 1 on average.

    The features of images are (images - mean) @ basis.

    Args:
        images: float32 [n, pixels].
        num_features: number of components; those beyond min(n, pixels) are 0.

    Returns (mean [pixels], basis [pixels, num_features]).
    """
    from sklearn.utils.extmath import randomized_svd

    mean = tf.reduce_mean(images, axis=0)
    rank = min(num_features, *images.shape)
    *_, components = randomized_svd((images - mean).numpy(), rank, random_state=0)
    basis = tf.transpose(components)
    std = tf.sqrt(tf.reduce_mean(tf.matmul(images - mean, basis) ** 2))
    padding = ((0, 0), (0, num_features - rank))
    return mean, tf.pad(tf.math.divide_no_nan(basis, std), padding)
