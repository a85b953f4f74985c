"""Each metric with invalid or degenerate inputs: a correct value or a UsageError, never NaN."""

import gc
import math
import weakref

import numpy as np
import pytest
import tensorflow as tf
from cases import small_model
from metric_models import Linear, Pixels, batches, uniform

from zoo import finetuning, metrics
from zoo.errors import UsageError
from zoo.metrics import ImageFeatures
from zoo.metrics.model_outputs import fold_seed

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(30, 3))
IMAGES = RANDOM.random((4, 12, 12, 1), np.float32)
TEXTS = ["a b c d", "b c d e"]
NAN, INF = math.nan, math.inf


def features_of(values, split="real"):
    return ImageFeatures(np.asarray(values), "net", split)


def flatten(images):
    return np.reshape(images, (len(images), -1))


class Words:
    kind, fingerprint = "words", "0" * 64


def with_labels(labels):
    return lambda images: (flatten(images), labels)


DISTANCES = (
    metrics.frechet_distance,
    metrics.kernel_distance,
    metrics.precision_recall,
    metrics.density_coverage,
    lambda a, b: metrics.memorization(a, b, features_of(TABLE + 1)),
)
PAIRS = (metrics.psnr, metrics.ssim, metrics.l1)
SCORES = (metrics.bleu, metrics.chrf, metrics.exact_match, metrics.caption_scores)

REFUSED = [
    *((lambda v=v: features_of(v), "NaN or infinite") for v in (TABLE * NAN, TABLE * INF)),
    *(
        (lambda v=v: features_of(v), "features are floats")
        for v in (TABLE[:1], TABLE[:0], TABLE[0])
    ),
    (lambda: features_of(TABLE * 1e200), "too large to compare"),
    *((lambda f=f: f(features_of(TABLE), TABLE), "takes ImageFeatures") for f in DISTANCES),
    *(
        (lambda f=f: f(features_of(TABLE), features_of(TABLE[:, :2])), "cannot be compared")
        for f in DISTANCES
    ),
    *((lambda f=f: f(features_of(TABLE), features_of(TABLE[:2])), "got") for f in DISTANCES[1:4]),
    *((lambda v=v: metrics.mmd(v, TABLE), "NaN or infinite") for v in (TABLE * NAN, TABLE * INF)),
    *((lambda v=v: metrics.mmd(v, TABLE), "codes") for v in (TABLE[:1], TABLE[:0], TABLE[:, :2])),
    (lambda: metrics.mmd(TABLE * 1e30, TABLE), "scale them below"),
    (lambda: metrics.mmd(TABLE.astype(str), TABLE), "must be numbers"),
    *((lambda f=f: f(IMAGES, IMAGES * NAN), "4 of 4 other images with pixels") for f in PAIRS),
    *((lambda f=f: f(IMAGES * 255, IMAGES), "divide uint8 by 255") for f in PAIRS),
    *((lambda f=f: f(np.uint8(IMAGES), IMAGES), "got uint8") for f in PAIRS),
    *((lambda f=f: f(IMAGES, IMAGES[:3]), "of one shape") for f in PAIRS),
    *((lambda f=f: f(IMAGES[:0], IMAGES[:0]), "of one shape") for f in PAIRS),
    (
        lambda: metrics.extract_features(flatten, IMAGES * NAN, name="n", split="s"),
        "images of 's' are NaN",
    ),
    (lambda: metrics.extract_features(flatten, IMAGES[:1], name="n", split="s"), "n >= 2"),
    *(
        (
            lambda v=v: metrics.extract_features(with_labels(v), IMAGES, name="n", split="s"),
            "class scores",
        )
        for v in (np.full((4, 3), NAN), np.zeros(4), np.zeros((3, 2)))
    ),
    (
        lambda: metrics.load_classifier("mnist-classifier-v1")(np.zeros((0, 28, 28, 1), "f")),
        "got no images",
    ),
    (
        lambda: metrics.load_classifier("mnist-classifier-v1")(np.full((1, 28, 28, 1), NAN)),
        "look for NaN",
    ),
    (lambda: metrics.load_classifier(["mnist-classifier-v1"]), "unknown classifier"),
    *((lambda v=v: metrics.Estimate(v, "m", "u", True, "x"), "'m'") for v in ([NAN], [], [[1]])),
    *((lambda v=v: metrics.Estimate(v, "m", "u", True, "x"), "'m'") for v in (["a"], 1.0, [None])),
    (lambda: metrics.Score(NAN, "recall", 1, 1, "s", False), "recall is nan"),
    (lambda: metrics.Score(1.0, "recall", 1, 1, "s", False, error=INF), "too large"),
    (lambda: metrics.fingerprint(IMAGES * NAN), "NaN or infinite"),
    (lambda: metrics.fingerprint(IMAGES[:0]), "n >= 1"),
    (lambda: metrics.label_histogram_distance([0, 5], [1], 2), "labels of 2 classes are 0 ... 1"),
    (lambda: metrics.label_histogram_distance([], [1], 2), "labels are integers"),
    (lambda: metrics.label_histogram_distance([NAN], [1], 2), "labels are integers"),
    *((lambda f=f: f(TEXTS, TEXTS[:1]), "2 hypotheses and 1 references") for f in SCORES),
    *((lambda f=f: f([], []), "0 hypotheses") for f in SCORES),
    *((lambda f=f: f([None], ["a"]), "text 1 must be a str") for f in SCORES),
    *(
        (lambda nll=nll: metrics.perplexity(nll, [1, 1], TEXTS, Words), message)
        for nll, message in (
            ([NAN, 1], "NaN or infinite"),
            ([-5, 1], "needs 0 to 700 nats a token, got -5"),
            ([1e6, 1], "got 1 to 1e+06"),
            ([1], "got \\(1,\\)"),
        )
    ),
    (lambda: metrics.perplexity([1, 1], [1, NAN], TEXTS, Words), "number of tokens"),
]


@pytest.mark.parametrize(("measure", "message"), REFUSED)
def test_inputs_that_cannot_be_evaluated_are_one_clear_error(measure, message):
    with pytest.raises(UsageError, match=message.replace("+", r"\+")) as found:
        measure()
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


def test_equal_constant_and_single_inputs_have_correct_values():
    equal, constant = features_of(TABLE), features_of(np.ones((30, 3)))
    for both in (equal, constant):
        assert metrics.frechet_distance(both, both).value == pytest.approx(0, abs=1e-9)
        assert [s.value for s in metrics.precision_recall(both, both)] == [1, 1]
        assert metrics.density_coverage(both, both)[1].value == 1
    assert metrics.kernel_distance(constant, constant).value == pytest.approx(0)
    assert metrics.mmd(TABLE, TABLE)[1] == 1 and metrics.mmd(TABLE * 0, TABLE * 0) == (0, 1)
    for images in (IMAGES, IMAGES[:1], IMAGES * 0):
        found = [function(images, images) for function in PAIRS]
        assert [one.mean for one in found] == pytest.approx([100, 1, 0])
    assert metrics.psnr(IMAGES[:1], IMAGES[:1]).interval == (-INF, INF)
    assert metrics.exact_match(["", ""], ["", ""]).value == 100
    assert metrics.bleu(["", ""], ["", ""]).value == 0
    assert metrics.label_histogram_distance([1, 1], [1], 2) == (0, [])


# Outputs of models.


class Lost(Pixels):
    """Everything that it computes is NaN."""

    def encode(self, x):
        return NAN * super().encode(x)

    def reconstruct(self, x):
        return NAN * x

    def sample(self, n, seed):
        return tf.fill((n, 2, 2, 1), NAN)

    def log_prob_bound(self, x, samples=1, seed=None):
        return NAN * x[:, 0, 0, 0]


class Wider(Pixels):
    def reconstruct(self, x):
        return tf.repeat(x, 3, axis=-1)


def labelled(images):
    return batches(images, label=np.arange(len(images)) % 2)


@pytest.mark.parametrize(
    "measure",
    [
        lambda: metrics.active_units(Lost(), batches(uniform(9))),
        lambda: metrics.knn_accuracy(Lost(), labelled(uniform(9)), labelled(uniform(9)), k=2),
        lambda: metrics.reconstruction_error(Lost(), batches(uniform(9))),
        lambda: metrics.fit_latent_density(Lost(), batches(uniform(9)), num_components=2),
        lambda: metrics.generate(Lost(), 3),
        lambda: metrics.log_likelihood(Lost(), batches(uniform(9)), 2),
    ],
)
def test_a_model_that_predicts_nan_is_an_error(measure):
    with pytest.raises(UsageError, match="NaN or infinite"):
        measure()


def test_every_batch_is_checked():
    images = np.concatenate([uniform(16), 255 * uniform(16)])
    for measure in (
        lambda data: metrics.active_units(Pixels(), data),
        lambda data: metrics.reconstruction_error(Pixels(), data),
        lambda data: metrics.log_likelihood(Linear(), data, 1),
        lambda data: metrics.aggregate_mmd(Linear(), data),
    ):
        with pytest.raises(UsageError, match=r"in \[0, 1\]"):
            measure(batches(images))


def test_too_few_images_or_codes_are_errors():
    one, many = batches(uniform(1)), batches(np.repeat(uniform(1), 9, axis=0))
    with pytest.raises(UsageError, match="2 images or more, got 1"):
        metrics.active_units(Pixels(), one)
    with pytest.raises(UsageError, match="n, m >= 2"):
        metrics.aggregate_mmd(Linear(), one)
    with pytest.raises(UsageError, match="9 images, with 1 different codes"):
        metrics.fit_latent_density(Pixels(), many, num_components=2)
    with pytest.raises(UsageError, match="threshold must be a finite number >= 0"):
        metrics.active_units(Pixels(), many, threshold=-1)
    with pytest.raises(UsageError, match="chunk must be an integer >= 1, got 0"):
        metrics.log_likelihood(Linear(), many, 1, chunk=0)
    with pytest.raises(UsageError, match=r"\(9, 2, 2, 1\) as \(9, 2, 2, 3\)"):
        metrics.reconstruction_error(Wider(), many)
    assert metrics.reconstruction_error(Pixels(), one).n == 1
    assert metrics.active_units(Pixels(), many)[0] == 0


def test_every_seed_of_the_table_is_one():
    largest = 2**32 - 2
    assert fold_seed(7).numpy().tolist() == [7, 0]
    found = metrics.log_likelihood(Linear(), batches(uniform(4)), 2, seed=largest)
    other = metrics.log_likelihood(Linear(), batches(uniform(4)), 2, seed=2**31)
    assert np.isfinite(found.values).all() and (found.values != other.values).all()


# Graphs.


class Traced(Linear):
    """Counts how often each of its methods runs as Python; once if it is traced."""

    def __init__(self):
        super().__init__()
        self._calls = []
        self.scale = 1.0

    def encode(self, x):
        self._calls.append("encode")
        return self.scale * super().posterior(x).mean()

    def posterior(self, x):
        self._calls.append("posterior")
        return super().posterior(x)

    def reconstruct(self, x):
        self._calls.append("reconstruct")
        return x


def measured(model, data):
    metrics.active_units(model, data)
    metrics.reconstruction_error(model, data)
    metrics.aggregate_mmd(model, data, permutations=10, seed=len(model._calls))
    metrics.log_likelihood(model, data, 2, seed=len(model._calls))


def test_a_model_is_traced_once_however_often_it_is_measured():
    model, data = Traced(), batches(uniform(16))
    measured(model, data)
    first = list(model._calls)
    assert set(first) == {"encode", "posterior", "reconstruct"}
    for _ in range(3):
        measured(model, data)
    assert model._calls == first
    _, before = metrics.active_units(model, data)
    model.scale = 2.0
    _, after = metrics.active_units(model, data)
    np.testing.assert_allclose(after, 4 * before, rtol=1e-5)


def test_a_model_with_new_weights_is_traced_again_and_no_model_stays_in_memory():
    model, data = small_model("vae"), batches(np.round(RANDOM.random((8, 8, 8, 1), np.float32)))
    before = metrics.reconstruction_error(model, data).values
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)
    moved = metrics.reconstruction_error(model, data).values
    assert (before != moved).all()
    finetuning.add_lora(model, "decoder/0", rank=1)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.5)
    tuned = metrics.reconstruction_error(model, data).values
    assert (tuned != moved).all()
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
