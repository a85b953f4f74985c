"""How probable a model finds images it has not seen, in nats."""

import functools
import warnings

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from blocks import BernoulliHead
from zoo.checks import check_numbers, check_optional_numbers, require_method
from zoo.metrics.compiled_methods import compile_method
from zoo.metrics.estimate import Estimate, ProtocolWarning, fingerprint
from zoo.metrics.model_outputs import collect, fold_seed, images_of, sample_rows

# Pixels (times channels) decoded at once: 5349 MNIST images. On a CPU, convolutional decoders are
# within a tenth of their best speed there and hold 1 to 2 GB.
PIXELS = 2**22


def log_likelihood(
    model, data, samples=500, images=None, seed=0, chunk=None, progress=False
) -> Estimate:
    """Importance-weighted bound on log p(x) of every image, in nats: the higher, the better.

    Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders" (2015, arXiv 1509.00519),
    eq. 8: log of the mean of p(x, z) / q(z|x) over `samples` draws z ~ q(z|x). With one sample it
    is the ELBO; on average it grows with the samples and never exceeds log p(x), so only numbers
    with the same number of samples compare.

    Args:
        model: has `log_prob_bound(x, samples, seed)`: [b, h, w, c] -> [b].
        data: batches with the feature "image"; held in memory at once.
        samples: draws of z per image.
        images: how many images to take, at most; None takes all. They are drawn at random,
            without replacement, and stay in order. The first ones would not do: in MNIST's test
            set the first half is easier than the second.
        seed: of the noise and of the choice of images. Models of one latent size that get the
            same images, samples, seed and chunk also get the same noise, which makes their
            comparison sharper.
        chunk: (image, sample) pairs in memory at once; by default as many as have about 4
            million pixels. Another chunk draws other noise.
        progress: show a bar on stderr, if that is a terminal.

    Returns:
        An `Estimate` with a float64 value for each image.

    Raises:
        UsageError: an argument is not a whole number in its range, or the model lacks the verb.

    Warns:
        ProtocolWarning: the model's pixels are Bernoulli and the images are not binary.
    """
    check_numbers(samples=samples, seed=seed)
    check_optional_numbers(images=images, chunk=chunk)
    require_method(model, "log_prob_bound")
    (x,) = collect(model, data, images_of)
    x = x[sample_rows(len(x), images, seed)]
    _warn_gray_bernoulli(model, x)

    chunk = max(1, PIXELS // x[0].size) if chunk is None else chunk
    rows = min(len(x), max(1, chunk // samples))  # images in a call
    whole, rest = divmod(int(samples), int(chunk))
    pieces = [chunk] * whole + [rest] * (rest > 0)  # samples in a call

    key = fold_seed(seed)
    name = f"IWAE-{samples} bound"
    console = Console(stderr=True)
    shown = progress and console.is_terminal
    values = np.empty((len(pieces), len(x)))
    for start in track(range(0, len(x), rows), name, console=console, disable=not shown):
        some = x[np.minimum(np.arange(start, start + rows), len(x) - 1)]  # the last ones repeat
        for piece, count in enumerate(pieces):  # a trace for each count: one or two
            bound = functools.partial(_bound, int(count))
            run = compile_method(model, f"bound of {count}", bound, fixed_shapes=True)
            found = run(some, key, tf.constant(start), tf.constant(piece))
            values[piece, start : start + rows] = found.numpy()[: len(x) - start]
    return Estimate(_log_mean(values, pieces), name, "nats", True, fingerprint(x))


def _bound(count, model, x, key, start, piece):
    return model.log_prob_bound(x, count, fold_seed(key, start, piece))


def _log_mean(values, counts):
    """Log of a mean over all samples, from the log means [pieces, n] over `counts` of them."""
    sums = values + np.log(counts)[:, None]
    with np.errstate(invalid="ignore"):  # NaN is found afterwards
        return np.logaddexp.reduce(sums) - np.log(sum(counts))


def _warn_gray_bernoulli(model, x):
    if getattr(model, "output_distribution", None) not in ("bernoulli", BernoulliHead):
        return
    if not np.isin(x, (0, 1)).all():
        warnings.warn(
            f"{model.name} has Bernoulli pixels and was given grey ones. Grey values under a"
            " Bernoulli are not a likelihood, and these nats compare with nothing published; load"
            " the data with binarize='fixed', 'dynamic' or 'threshold'",
            ProtocolWarning,
            stacklevel=3,
        )
