"""Metrics of codes: active units, k-NN accuracy, reconstruction error, and a density over codes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.metrics.compiled_methods import compile_method
from zoo.metrics.estimate import Estimate, fingerprint
from zoo.metrics.model_outputs import collect, encoder, images_of, posterior_sampler


def active_units(model: Any, data: Any, threshold: float = 0.01) -> tuple[int, np.ndarray]:
    """Dimensions of z that depend on the image, by Burda et al. (2015, arXiv 1509.00519), 5.2.

    A unit is active if the variance over images of its posterior mean, Cov_x(E[z|x]), exceeds the
    threshold; units that the model does not use keep the prior's mean for every image.

    Args:
        model: has `encode`, which returns posterior means.
        data: batches with the feature "image"; some thousand images are enough.
        threshold: in squared units of z.

    Returns:
        (count, variances): an int, and float64 [latent_dim].

    Raises:
        UsageError: fewer than 2 images, or codes that are NaN.
    """
    check_numbers(threshold=threshold)
    (codes,) = collect(model, data, encoder(model))
    if len(codes) < 2:
        raise UsageError(f"active units need 2 images or more, got {len(codes)}; give more images")
    variances = codes.var(axis=0, dtype=np.float64)
    return int((variances > threshold).sum()), variances


def knn_accuracy(model: Any, train: Any, test: Any, k: int = 10) -> Estimate:
    """Accuracy of a k-nearest-neighbor classifier of codes, fitted to `train`.

    Args:
        model: has `encode`.
        train: batches with the features "image" and "label", an integer for each image.
        test: the same, of other images.
        k: number of neighbors, by Euclidean distance.

    Returns:
        An `Estimate`: 1 for each test image that is classified correctly, else 0.

    Raises:
        UsageError: no labels, or fewer than k training images.
    """
    from sklearn.neighbors import KNeighborsClassifier

    check_numbers(k=k)
    encode = encoder(model)
    codes, labels = collect(model, train, encode, require_labels)
    if len(codes) < k:
        raise UsageError(
            f"{k} neighbors need at least {k} training images, got {len(codes)}; use a smaller k"
        )
    x, test_codes, truth = collect(model, test, images_of, encode, require_labels)
    predicted = KNeighborsClassifier(k).fit(codes, labels).predict(test_codes)
    name = f"{k}-NN accuracy from {len(codes):,} codes"
    return Estimate((predicted == truth).astype(np.float64), name, "accuracy", True, fingerprint(x))


def require_labels(batch: Mapping[str, Any]) -> Any:
    """The labels of a batch. Raises UsageError if it has none."""
    if "label" not in batch:
        raise UsageError(
            f"knn_accuracy needs the feature 'label', got {[*batch]}; load a data set with"
            " classes, a folder of one folder per class, or a dict of arrays with 'label'"
        )
    return batch["label"]


def reconstruction_error(model: Any, data: Any) -> Estimate:
    """Squared error between images and their reconstructions, summed over pixels and channels.

    Args:
        model: has `reconstruct`.
        data: batches with the feature "image".

    Returns:
        An `Estimate` with a value for each image: lower is better.

    Raises:
        UsageError: the model lacks the method, or its reconstructions have a wrong shape or are
            NaN.
    """
    require_method(model, "reconstruct")
    reconstruct = compile_method(model, "reconstruct", lambda model, x: model.reconstruct(x))

    def error(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        x = batch["image"]
        output = reconstruct(x)
        if x.shape != output.shape:
            raise UsageError(
                f"{model.name} reconstructs images {tuple(x.shape)} as {tuple(output.shape)}"
            )
        return tf.reduce_sum((x - output) ** 2, axis=(1, 2, 3))

    x, values = collect(model, data, images_of, error)
    return Estimate(values, "reconstruction error", "squared error", False, fingerprint(x))


def fit_latent_density(
    model: Any, data: Any, num_components: int = 10, seed: int = 0
) -> tfd.Distribution:
    """A density over codes, fitted after training, to sample from instead of the prior.

    The ex-post density estimation of Ghosh et al., "From Variational to Deterministic
    Autoencoders" (2020, arXiv 1903.12436): a mixture of Gaussians with full covariances. If the
    codes do not fill the prior, `model.decode(density.sample(n))` is closer to the images than
    `model.sample(n)`.

    It is fitted to one z ~ q(z|x) for each image, like the second stage of a 2-Stage VAE (Dai,
    Wipf, 2019, arXiv 1903.05789): the decoder was trained on such codes, and the means alone cover
    a smaller region. A model without `posterior` is deterministic; its `encode` is used.

    Args:
        model: has `posterior` or `encode`, with codes [batch, latent_dim].
        data: batches with the feature "image": the training images of the model.
        num_components: number of Gaussians.
        seed: seed of the noise and of the initialization.

    Returns:
        A `tfd.MixtureSameFamily`, float32, with event shape [latent_dim].

    Raises:
        UsageError: fewer different codes than components, codes that are NaN, or the model has
            neither method.
    """
    from sklearn.mixture import GaussianMixture

    check_numbers(num_components=num_components, seed=seed)
    variational = hasattr(model, "posterior")
    encode = posterior_sampler(model, seed) if variational else encoder(model)
    (codes,) = collect(model, data, encode)
    different = len(np.unique(codes, axis=0))
    if different < num_components:
        raise UsageError(
            f"{num_components} Gaussians cannot be fitted to {len(codes)} images, with {different}"
            " different codes; give more images or a smaller num_components"
        )
    fit = GaussianMixture(num_components, random_state=seed, max_iter=500).fit(
        codes.astype(np.float64)
    )
    scale_tril = np.linalg.cholesky(fit.covariances_)
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=fit.weights_.astype(np.float32)),
        tfd.MultivariateNormalTriL(fit.means_.astype(np.float32), scale_tril.astype(np.float32)),
    )
