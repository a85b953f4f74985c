"""The included classifiers: verified weights, accuracy, features."""

import numpy as np
import pytest

import zoo
from benchmarks import metric_sensitivity
from zoo import metrics
from zoo.data.builders import snowflakes
from zoo.errors import CheckpointError, UnknownNameError, UsageError
from zoo.metrics import classifiers

NAMES = [*classifiers.CLASSIFIERS]
SAMPLES = {  # name -> (data set, images that were not in the training data, minimum accuracy)
    "mnist-classifier-v1": ("mnist", "test[:2000]", 0.985),
    "fashion_mnist-classifier-v1": ("fashion_mnist", "train[58000:]", 0.9),
}
each = pytest.mark.parametrize("name", NAMES)


def noise(n=20, seed=0):
    return np.random.default_rng(seed).random((n, 28, 28, 1)).astype(np.float32)


def images(name):
    """(images, labels) that were not in the training data; skips the test if they are missing."""
    data, split, _ = SAMPLES[name]
    if not zoo.data.is_prepared(data):
        pytest.skip(f"{data} is not prepared here")
    batch = zoo.data.load(data, split, shuffle=False, drop_remainder=False).take(2000)
    return batch["image"], batch["label"]


@each
def test_the_included_weights_are_small_and_those_that_were_published(name):
    classifier = metrics.load_classifier(name)
    assert classifier.name == f"{name} sha256:{classifiers.CLASSIFIERS[name][:8]}"
    assert (classifiers.WEIGHTS / f"{name}.npz").stat().st_size < 400_000


@each
def test_a_classifier_is_an_argument_of_extract_features(name):
    classifier = metrics.load_classifier(name)
    values, logits = classifier(noise())
    assert values.shape == (20, 64) and logits.shape == (20, classifier.num_classes)
    found = metrics.extract_features(classifier, noise(), 7, name=classifier.name, split="noise")
    assert np.isfinite(found.values).all() and found.values.std(axis=0).max() > 0
    np.testing.assert_allclose(found.values, values, atol=1e-4)
    assert found.labels.tolist() == np.argmax(logits, -1).tolist()


@each
def test_a_classifier_classifies_real_images(name):
    x, labels = images(name)
    found = metrics.extract_features(metrics.load_classifier(name), x, name=name, split="some")
    assert (found.labels == labels).mean() >= SAMPLES[name][2]


def test_a_missing_class_increases_the_distance():
    classifier = metrics.load_classifier("mnist-classifier-v1")
    x, labels = images("mnist-classifier-v1")
    found = metrics.extract_features(classifier, x, name=classifier.name, split="some")
    real, other = (
        metrics.ImageFeatures(found.values[k::2], found.extractor, str(k), found.labels[k::2])
        for k in (0, 1)
    )
    rows = other.labels != 7
    lost = metrics.ImageFeatures(other.values[rows], found.extractor, "no 7", other.labels[rows])
    floor = metrics.frechet_distance(real, other).value
    assert metrics.frechet_distance(real, lost).value > 2 * floor
    assert metrics.label_histogram_distance(real.labels, lost.labels, 10)[1] == [7]


@pytest.mark.parametrize(
    "images, message",
    (
        (np.zeros((2, 32, 32, 1), np.float32), r"takes images \(28, 28, 1\), got .*32, 32"),
        (np.zeros((2, 28, 28, 3), np.float32), "28, 28, 3"),
        (np.zeros((28, 28, 1), np.float32), "got the shape"),
        (np.full((2, 28, 28, 1), 255, np.uint8), "divide uint8 by 255"),
        (2 * noise(), "floats in .0, 1., got float32"),
        (np.full((2, 28, 28, 1), np.nan, np.float32), "from nan"),
    ),
)
def test_images_of_another_shape_or_range_are_rejected(images, message):
    with pytest.raises(UsageError, match=message):
        metrics.load_classifier("mnist-classifier-v1")(images)


def test_the_error_for_an_unknown_classifier_lists_all_names():
    with pytest.raises(UnknownNameError, match="Did you mean.*'mnist-classifier-v1'"):
        metrics.load_classifier("mnist-classifier")


def test_missing_damaged_and_exchanged_weights_are_rejected(tmp_path, monkeypatch):
    name, other = NAMES
    raw = (classifiers.WEIGHTS / f"{name}.npz").read_bytes()
    swapped = (classifiers.WEIGHTS / f"{other}.npz").read_bytes()
    monkeypatch.setattr(classifiers, "WEIGHTS", tmp_path)
    with pytest.raises(CheckpointError, match="are missing.*install the library again"):
        metrics.load_classifier(name)
    for bad in (raw[:-1], raw[:999] + bytes([raw[999] ^ 1]) + raw[1000:], swapped, b""):
        (tmp_path / f"{name}.npz").write_bytes(bad)
        with pytest.raises(CheckpointError, match="damaged or another file: its SHA-256"):
            metrics.load_classifier(name)
    (tmp_path / f"{name}.npz").write_bytes(raw)
    assert metrics.load_classifier(name)(noise())[0].shape == (20, 64)


def test_packing_halves_the_precision_and_keeps_the_features():
    network = classifiers.build_network()
    again = classifiers.unpack_classifier(classifiers.pack_weights(network))
    for wide, half in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(half, wide, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(again(noise())[0], network(noise())[0], atol=1e-2)
    assert classifiers.pack_weights(again) == classifiers.pack_weights(again)  # the same bytes


@pytest.mark.parametrize("alteration", metric_sensitivity.ALTERATIONS)
def test_the_images_of_the_sensitivity_benchmark_are_slightly_altered(alteration):
    samples = snowflakes.generate(8, size=28) / np.float32(255)
    altered = np.asarray(metric_sensitivity.ALTERATIONS[alteration](samples))
    assert altered.shape == samples.shape and altered.min() >= 0 and altered.max() <= 1
    difference = np.abs(altered - samples).mean()
    assert difference == 0 if alteration == "unaltered" else 0.01 < difference < 0.15


def test_half_a_pixel_divides_a_line_between_two_columns():
    line = np.zeros((2, 28, 28, 1), np.float32)
    line[:, :, 10] = 1
    moved = np.asarray(metric_sensitivity.half_a_pixel(line))[0, 14, :, 0]
    np.testing.assert_allclose(moved[9:13], [0, 0.5, 0.5, 0], atol=1e-6)
