"""All data are checked: later batches, arrays, streams, in Keras' methods and in the Trainer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, inputs, shared_model, small_model, small_trainer

import zoo
from zoo.errors import BatchError
from zoo.model.batch_checks import iterate_batches

every_model = pytest.mark.parametrize("name", zoo.names())


class Rows(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def second_batch_has(model, feature, value, dtype=None):
    """Two batches of 4, of which the second has one number that is not right."""
    good, bad = ({k: np.array(v) for k, v in examples(model, 4, seed=s).items()} for s in (0, 1))
    if dtype:
        good, bad = ({**each, feature: each[feature].astype(dtype)} for each in (good, bad))
    bad[feature][(-1,) * bad[feature].ndim] = value
    return good, bad


def stream(batches):
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return tf.data.Dataset.from_tensor_slices(whole).batch(4)


def whole(batches):
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


WAYS = {
    "fit": lambda m, b: m.fit(stream(b), verbose=0),
    "fit on arrays": lambda m, b: m.fit(whole(b), verbose=0),
    "fit on a PyDataset": lambda m, b: m.fit(Rows(b), verbose=0),
    "validation": lambda m, b: m.fit(stream(b[:1]), validation_data=stream(b), verbose=0),
    "evaluate": lambda m, b: m.evaluate(stream(b), verbose=0),
    "train_on_batch": lambda m, b: m.train_on_batch(b[1]),
    "Trainer": lambda m, b: small_trainer("x", model=m).fit(stream(b), epochs=1),
    "eager Trainer": lambda m, b: small_trainer("x", model=m, eager=True).fit(stream(b), epochs=1),
    "Trainer's validation": lambda m, b: small_trainer("x", model=m).fit(
        stream(b[:1]), epochs=1, validation=stream(b)
    ),
    "Trainer.evaluate": lambda m, b: small_trainer("x", model=m).evaluate(stream(b)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_invalid_later_batch_is_an_error_in_every_method(way):
    model = small_model("vae")
    model.compile("sgd", run_eagerly="Trainer" not in way)
    batches = second_batch_has(model, "image", 255.0)
    with pytest.raises(BatchError, match=r"^vae expects 'image' in \[0, 1\], got 0 to 255$"):
        WAYS[way](model, batches)


@pytest.mark.parametrize(
    "name, feature, value, message",
    [
        ("vae", "image", np.nan, r"'image' in \[0, 1\], got nan to nan"),
        ("vae", "image", -1e-3, r"got -0.001 to 1"),
        ("pix2pix", "target", 2.0, r"'target' in \[0, 1\], got 0 to 2"),
        ("conditional_dcgan", "label", 10, "labels in 0 ... 9, got . to 10; pass num_classes=N"),
        ("simple_dot", "user", 400, "'user' ids in 0 ... 399, got . to 400; pass num_users=N"),
        ("simple_dot", "item", -1, "'item' ids in 0 ... 149, got -1 to .; pass num_items=N"),
        ("simple_dot", "rating", np.inf, "finite 'rating', got .* to inf"),
        ("seq2seq", "source", 20, "'source' ids in 0 ... 19, got 0 to 20; pass source_vocab"),
        ("captioning", "caption", 99, "'caption' ids in 0 ... 19, got 0 to 99"),
    ],
)
def test_every_feature_is_checked(name, feature, value, message):
    model = small_model(name)
    batches = second_batch_has(model, feature, value)
    with pytest.raises(BatchError, match=message):
        for batch in batches:
            model.check_batch(batch)
    read = []
    with pytest.raises(BatchError, match=message):
        read += iterate_batches(model.check_dataset(stream(batches)))
    with pytest.raises(BatchError, match=message):
        model.compile()
        model.fit(whole(batches), verbose=0)


@pytest.mark.parametrize(
    "name, feature, dtype",
    [
        ("vae", "image", "float64"),
        ("vae", "image", "float16"),
        ("simple_dot", "user", "int64"),
        ("simple_dot", "rating", "float64"),
        ("seq2seq", "source", "int64"),
        ("conditional_dcgan", "label", "uint8"),
    ],
)
def test_dtypes_are_cast_if_no_information_is_lost(name, feature, dtype):
    model = small_model(name)
    batches = second_batch_has(model, feature, 0, dtype)
    (first, *_), spec = (
        iterate_batches(model.check_dataset(stream(batches))),
        model.batch_spec[feature],
    )
    assert first[feature].dtype == spec.dtype
    np.testing.assert_array_equal(first[feature], batches[0][feature].astype(spec.dtype.name))
    model.compile("sgd" if name != "conditional_dcgan" else None, run_eagerly=True)
    model.fit(whole(batches), verbose=0)
    run = small_trainer(name, model=model, eager=True)
    run.fit(stream(batches), steps=1)
    assert run.evaluate(stream(batches)) and run.inspect(batches[0])


@pytest.mark.parametrize(
    "batch, message",
    [
        ({"image": "uint8"}, "as float32, got uint8; images are in .* divide 0..255 by 255"),
        ({"image": "bool"}, "as float32, got bool$"),
        ({"image": "int64"}, "divide 0..255"),
        ({"image": "str"}, "as float32, got string$|must be arrays .* of numbers"),
        ({"picture": "float32"}, "needs the feature 'image', got"),
    ],
)
def test_error_messages_give_advice_for_the_cause(batch, message):
    model = small_model("vae")
    model.compile()
    (name, dtype), *_ = batch.items()
    images = {name: np.ones((4, 8, 8, 1)).astype(dtype)}
    for data in (images, tf.data.Dataset.from_tensors(images)):
        with pytest.raises(BatchError, match=message) as caught:
            model.fit(data, verbose=0)
        assert "\n" not in str(caught.value)
    with pytest.raises(BatchError, match="a batch must be a dict .* got tuple"):
        model.fit(tf.data.Dataset.from_tensors((images[name], 0)))
    with pytest.raises(BatchError, match="the same number of examples"):
        model.fit({"image": np.ones((4, 8, 8, 1)), "label": np.ones(3)})


def test_ids_too_large_for_the_dtype_remain_out_of_range():
    model = small_model("simple_dot")
    with pytest.raises(BatchError, match="'user' ids"):
        model.check_batch({**examples(model, 1), "user": np.array([2**32 + 3])})


def test_predict_takes_the_inputs_of_call():
    model, ratings = small_model("vae"), small_model("simple_dot")
    images = examples(model, 6)["image"].numpy()
    expected = model(images).numpy()
    for x in (images, images.astype("float64"), {"image": images}, stream([{"image": images}])):
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
    for x in (255 * images, {"image": 255 * images}, tf.data.Dataset.from_tensors(255 * images)):
        with pytest.raises(BatchError, match=r"in \[0, 1\], got 0 to 255"):
            model.predict(x, verbose=0)
    pairs = {name: examples(ratings, 3)[name].numpy() for name in ("user", "item")}
    assert ratings.predict(pairs, verbose=0).shape == (3,)  # without a rating
    with pytest.raises(BatchError, match="'item' ids"):
        ratings.predict({**pairs, "item": pairs["item"] + 150}, verbose=0)


@every_model
def test_empty_batches_give_empty_results_of_the_right_shape(name):
    model = shared_model(name)
    x = tf.nest.map_structure(np.array, inputs(model, 2))
    none = tf.nest.map_structure(lambda array: array[:0], x)
    shape = (0, *model(x).shape[1:])
    for found in (model(none), model.predict(none, verbose=0), model.predict_on_batch(none)):
        assert found.shape == shape
    for verb in ("encode", "reconstruct"):
        if hasattr(model, verb):
            method = getattr(model, verb)
            values = x if model.input_feature else examples(model, 2)["image"]
            empty, full = (tf.nest.flatten(method(arg)) for arg in (values[:0], values))
            assert [y.shape for y in empty] == [(0, *y.shape[1:]) for y in full]


@every_model
def test_global_keras_settings_do_not_affect_a_model(name):
    model = shared_model(name)
    batch, x = examples(model, 4), inputs(model, 3)
    expected = model(x)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    try:
        model = small_model(name)
        np.testing.assert_array_equal(model(x), expected)
        model.prepare()
        model.train_step(batch)
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_floatx("float32")


@every_model
def test_a_keras_export_equals_a_call(name, tmp_path):
    model = shared_model(name)
    model.export(tmp_path / "model", verbose=False)
    x = inputs(model, 3)
    served = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(served.serve(x), model(x), atol=1e-5)
