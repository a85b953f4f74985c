"""What the codes are worth: how many matter, what they tell apart, what they bring back."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.checks import check_numbers, require_method
from zoo.errors import UsageError
from zoo.metrics.compiled_methods import compile_method
from zoo.metrics.estimate import Estimate, fingerprint
from zoo.metrics.model_outputs import collect, encoder, images_of, posterior_sampler

tfd = tfp.distributions


def active_units(model, data, threshold=0.01):
    """Dimensions of z that depend on the image, by Burda et al. (2015, arXiv 1509.00519), 5.2.

    A unit is active if the variance over images of its posterior mean, Cov_x(E[z|x]), exceeds the
    threshold; units the model does not use stay at their prior, whatever the image.

    Args:
        model: has `encode`, which gives posterior means.
        data: batches with the feature "image"; some thousand images are enough.
        threshold: in squared units of z.

    Returns:
        (count, variances): an int, and float64 [latent_dim].

    Raises:
        UsageError: a single image, which has no variance, or codes that are NaN.
    """
    check_numbers(threshold=threshold)
    (codes,) = collect(model, data, encoder(model))
    if len(codes) < 2:
        raise UsageError(f"active units need 2 images or more, got {len(codes)}; give more images")
    variances = codes.var(axis=0, dtype=np.float64)
    return int((variances > threshold).sum()), variances


def knn_accuracy(model, train, test, k=10) -> Estimate:
    """Accuracy of naming a test image's class by a vote of its k nearest training codes.

    Args:
        model: has `encode`.
        train: batches with the features "image" and "label", an integer for each image.
        test: the same, of other images.
        k: number of neighbours, by Euclidean distance.

    Returns:
        An `Estimate`: 1 for each test image whose class was found, else 0.

    Raises:
        UsageError: no labels, or fewer than k training images.
    """
    from sklearn.neighbors import KNeighborsClassifier

    check_numbers(k=k)
    encode = encoder(model)
    codes, labels = collect(model, train, encode, require_labels)
    if len(codes) < k:
        raise UsageError(
            f"{k} neighbours cannot be found among {len(codes)} training images; lower k"
        )
    x, test_codes, truth = collect(model, test, images_of, encode, require_labels)
    found = KNeighborsClassifier(k).fit(codes, labels).predict(test_codes)
    name = f"{k}-NN accuracy from {len(codes):,} codes"
    return Estimate((found == truth).astype(np.float64), name, "accuracy", True, fingerprint(x))


def require_labels(batch):
    """The classes of a batch; raises UsageError if it has none."""
    if "label" not in batch:
        raise UsageError(
            f"knn_accuracy needs the feature 'label', got {[*batch]}; load a data set with"
            " classes, a folder of one folder per class, or a dict of arrays with 'label'"
        )
    return batch["label"]


def reconstruction_error(model, data) -> Estimate:
    """Squared error between images and their reconstructions, summed over pixels and channels.

    Args:
        model: has `reconstruct`.
        data: batches with the feature "image".

    Returns:
        An `Estimate` with a value for each image: the lower, the better.

    Raises:
        UsageError: the model lacks the verb, or its reconstructions have another shape or are NaN.
    """
    require_method(model, "reconstruct")
    reconstruct = compile_method(model, "reconstruct", lambda model, x: model.reconstruct(x))

    def error(batch):
        x, again = batch["image"], reconstruct(batch["image"])
        if x.shape != again.shape:
            raise UsageError(
                f"{model.name} reconstructs images {tuple(x.shape)} as {tuple(again.shape)}"
            )
        return tf.reduce_sum((x - again) ** 2, axis=(1, 2, 3))

    x, values = collect(model, data, images_of, error)
    return Estimate(values, "reconstruction error", "squared error", False, fingerprint(x))


def fit_latent_density(model, data, components=10, seed=0):
    """A density over codes, fitted after training, to sample from in place of the prior.

    The ex-post density estimation of Ghosh et al., "From Variational to Deterministic
    Autoencoders" (2020, arXiv 1903.12436): a mixture of Gaussians with full covariances. Where
    codes do not fill the prior, `model.decode(density.sample(n))` is closer to the images than
    `model.sample(n)`.

    It is fitted to one z ~ q(z|x) for each image, as the second stage of a 2-Stage VAE is (Dai,
    Wipf, 2019, arXiv 1903.05789): the decoder was trained on such codes, and the means alone would
    fill less room. A model without `posterior` is deterministic, and its `encode` is taken.

    Args:
        model: has `posterior` or `encode`, with codes [batch, latent_dim].
        data: batches with the feature "image": those that the model was trained on.
        components: number of Gaussians.
        seed: of the noise and of the fit's start.

    Returns:
        A `tfd.MixtureSameFamily`, float32, with event shape [latent_dim].

    Raises:
        UsageError: fewer different codes than components, codes that are NaN, or the model has
            neither verb.
    """
    from sklearn.mixture import GaussianMixture

    check_numbers(components=components, seed=seed)
    variational = hasattr(model, "posterior")
    code = posterior_sampler(model, seed) if variational else encoder(model)
    (codes,) = collect(model, data, code)
    different = len(np.unique(codes, axis=0))
    if different < components:
        raise UsageError(
            f"{components} Gaussians cannot be fitted to {len(codes)} images, with {different}"
            " different codes; give more images or fewer components"
        )
    fit = GaussianMixture(components, random_state=seed, max_iter=500).fit(codes.astype(np.float64))
    scale_tril = np.linalg.cholesky(fit.covariances_)
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=fit.weights_.astype(np.float32)),
        tfd.MultivariateNormalTriL(fit.means_.astype(np.float32), scale_tril.astype(np.float32)),
    )
