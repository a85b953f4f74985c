"""Arguments of methods: each wrong one is one clear error; an empty batch gives an empty result."""

import numpy as np
import pytest
import tensorflow as tf
from cases import LONGEST, examples, shared_model, small_model

import zoo
from zoo import text
from zoo.errors import UsageError
from zoo.registry import get_class

NAMES = zoo.names()
WORDS = text.WordTokenizer.train(["ein mann", "eine frau"])


def having(verb):
    """The models that have a method for users; the encoder of a sequence model is none."""
    own = [n for n in NAMES if hasattr(get_class(n), verb)]
    latent = verb in ("encode", "decode")
    names = [n for n in own if not latent or not issubclass(get_class(n), zoo.SequenceGenerator)]
    return pytest.mark.parametrize("name", names)


def refused(call, message=None):
    """The call is a UsageError of one line."""
    with pytest.raises(UsageError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@having("sample")
@pytest.mark.usefixtures("eager_steps")
def test_numbers_of_samples_and_seeds_are_checked(name):
    model = shared_model(name)
    for n in (0, -1, 2.5, 1.5, True, None, "x", float("nan"), [2]):
        refused(lambda n=n: model.sample(n), "n must be an integer >= 1")
    refused(lambda: model.sample(10**10), "at most 33,554,431 at a time")
    for seed in (-1, 1.5, True, "x", 2**32, [1, 2, 3], [0.5, 1.0]):
        refused(lambda seed=seed: model.sample(2, seed), "seed must be an integer")
    expected = model.sample(2, 3)
    assert expected.shape == (2, *model.image_shape) and expected.dtype == tf.float32
    for n, seed in ((np.int64(2), np.int32(3)), (tf.constant(2), tf.constant([3, 0]))):
        np.testing.assert_array_equal(model.sample(n, seed), expected)
    a, b = (model.sample(2, np.array([1, k], np.uint32)) for k in (2, 3))
    assert np.abs(a - b).max() > 0
    assert model.sample(2, 2**32 - 2).shape == expected.shape


IMAGES = np.random.default_rng(0).random((4, 8, 8, 1))
WRONG_IMAGES = {
    "nan": (IMAGES * np.nan, r"in \[0, 1\]"),
    "outside": (IMAGES + 5, r"in \[0, 1\]"),
    "integers": ((255 * IMAGES).astype(int), "as float32, got int64"),
    "channels": (np.repeat(IMAGES, 3, -1), "image_shape=.*8, 8, 3"),
    "size": (IMAGES[:, :4], "image_shape=.*4, 8, 1"),
    "one": (IMAGES[0], r"a single one is a batch of 1: x\[None\]"),
    "two sizes": ([IMAGES[0], IMAGES[1][:4]], r"arrays \(4, 8, 1\) and \(8, 8, 1\)"),
    "none": (None, "got None"),
    "a path": ("x.png", "got string"),
    "a number": (5, r"shape \(None, 8, 8, 1\), got \(\)"),
}


@having("encode")
@pytest.mark.usefixtures("eager_steps")
@pytest.mark.parametrize(
    "verb", ["encode", "reconstruct", "interpolate", "log_prob_bound", "log_prob"]
)
def test_images_are_checked_and_converted(name, verb):
    model = shared_model(name)
    call = getattr(model, verb, None)
    if call is None:
        pytest.skip(f"{name} has no {verb}")
    more = {"interpolate": 2, "log_prob_bound": 1, "log_prob": 1}.get(verb, 0)

    def call_method(x):
        model.seed_generator.state.assign([0, 0])
        return np.array(call(x, x, steps=2) if more == 2 else call(x, seed=1) if more else call(x))

    for value, message in WRONG_IMAGES.values():
        refused(lambda value=value: call_method(value), message)
    coarse = (255 * IMAGES).astype(np.uint8)
    expected = call_method(tf.constant(coarse / 255, tf.float32))
    same = {"encode": (coarse, coarse / 255, tf.constant(coarse)), "reconstruct": (coarse / 255,)}
    for images in (list(coarse), *same.get(verb, ())):
        np.testing.assert_allclose(call_method(images), expected, rtol=1e-5, atol=1e-6)
    for empty in ([], IMAGES[:0], coarse[:0]) if verb == "encode" else ([],):
        assert call_method(empty).shape == (0, *expected.shape[1:])


@having("decode")
@pytest.mark.usefixtures("eager_steps")
def test_codes_and_steps_are_checked(name):
    model = shared_model(name)
    code = np.ones(model.encode(IMAGES).shape[1:], int)
    for codes in (
        *(np.zeros(shape) for shape in ((2, 3), (3, 4), (2,), (1, 1, 2))),
        *(np.full((2, *code.shape), bad) for bad in (np.nan, np.inf, 1e300)),
        *(None, "x", [[1, 2], [3]]),
    ):
        refused(lambda codes=codes: model.decode(codes), "codes")
    expected = model.decode(tf.constant(code[None], tf.float32))
    np.testing.assert_array_equal(model.decode([code.tolist()]), expected)
    assert model.decode(np.zeros((0, *code.shape))).shape == model.decode([]).shape == (0, 8, 8, 1)
    for steps in (0, -1, 2.5, None, "x", 10**10):
        refused(lambda steps=steps: model.interpolate(IMAGES, IMAGES, steps), "steps|at a time")
    refused(lambda: model.interpolate(IMAGES[:2], IMAGES[:3]), r"of one length, got \[2, 3\]")
    assert model.interpolate(IMAGES[:1], IMAGES[:3], 2).shape == (3, 2, 8, 8, 1)


def test_labels_and_reference_images_are_checked():
    model = small_model("conditional_dcgan")
    for label in (-1, 12, 2**40, 1.5, "x", True, [1, 2, 3], [[1, 2]]):
        refused(lambda label=label: model.sample(2, label=label), "label")
    assert model.sample(2, label=[1, 2]).shape == model.sample(2, label=np.int64(3)).shape
    model = small_model("instance_dcgan")
    for like in (IMAGES[:3], IMAGES[:2] * np.nan, IMAGES[:2] + 5, "x", 0):
        refused(lambda like=like: model.sample(2, reference=like), "reference|image")
    coarse = (255 * IMAGES[:2]).astype(np.uint8)
    same = [model.sample(2, seed=0, reference=like) for like in (coarse, coarse / 255)]
    np.testing.assert_allclose(*same, atol=1e-5)


def test_ids_are_checked():
    model = small_model("simple_dot")
    for ids in (0, 0.5, [0.5, 1], [400], [-1], [2**40], [[1, 2]], None, "x"):
        refused(lambda ids=ids: model.predict_ratings(ids, ids), "'user'")
    refused(lambda: model.predict_ratings([1, 2], [1, 2, 3]), r"of one length, got \[2, 3\]")
    assert model.predict_ratings([], []).shape == (0,)
    expected = model.predict_ratings([1, 1], [2, 3])
    for users in (np.array([1, 1], np.uint8), [1]):
        np.testing.assert_array_equal(model.predict_ratings(users, [2, 3]), expected)


def test_sources_of_an_image_translation_are_checked():
    model = small_model("pix2pix", source_channels=1)
    for value, message in WRONG_IMAGES.values():
        message = None if "image_shape" in message else message
        refused(lambda value=value: model.translate(value), message)
    refused(lambda: model.translate(IMAGES, "x"), "seed must be")
    assert model.translate(IMAGES[:0], 1).shape == (0, 8, 8, 1)
    coarse = (255 * IMAGES).astype(np.uint8)
    np.testing.assert_allclose(model.translate(coarse), model.translate(coarse / 255), atol=1e-5)


def test_images_to_stylize_are_checked():
    model, image = small_model("style_transfer"), np.ones((16, 16, 3))
    for value in (None, 5, "x", image * np.nan, image * 5, image[None], [1]):
        refused(lambda value=value: model.stylize(value, image, steps=1), "content|image")
        refused(lambda value=value: model.stylize(image, value, steps=1), "style|image")
    for how in ({"steps": 0}, {"steps": 1.5}, {"seed": "x"}, {"seed": -1}):
        call = lambda how=how: model.stylize(image, image, init="noise", **how)  # noqa: E731
        refused(call, f"{[*how][0]} must be")


@having("attention_maps")
def test_sentences_and_lengths_are_checked(name):
    sides = ("source", "target") if hasattr(get_class(name), "translate") else ("caption",)
    model = small_model(name, **{f"{side}_vocabulary": WORDS for side in sides})
    verb = model.translate if "source" in sides else model.caption
    value = ["ein mann"] if "source" in sides else IMAGES
    for wrong in (5, None, "x.png", [5], ["ein", None]):
        for ask in (verb, model.attention_maps):
            refused(lambda wrong=wrong, ask=ask: ask(wrong, max_length=3))
    for max_length in ("x", 0, -1, None, 1.5, 10**9):
        for ask in (verb, model.attention_maps):
            refused(
                lambda max_length=max_length, ask=ask: ask(value, max_length=max_length),
                "max_length must be",
            )
    for wrong in (None, "x", 5):
        refused(lambda wrong=wrong: model.generate(wrong))
    assert verb([], max_length=3) == model.attention_maps([], max_length=3) == []
    empty = examples(model, 2)[model.input_feature][:0]
    assert model.generate(empty, max_length=LONGEST, eager=True).tokens.shape == (0, LONGEST)
    assert model.generate(empty, 2, max_length=3, eager=True).aux.shape[:3] == (0, 2, 3)
