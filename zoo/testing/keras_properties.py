"""Properties of a model as a Keras model, and of its layers: saving, composition, inspection."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo import inspection
from zoo.errors import UnknownNameError
from zoo.testing.requirements import require
from zoo.testing.small import (
    first_step,
    inputs,
    same_bits,
    shared_model,
    shuffled_batches,
    small_model,
    small_trainer,
    without_graphs,
)


def keras_compile_fit_evaluate_and_predict_work(name: str) -> None:
    """Keras' own methods; the last batch may be short."""
    model = small_model(name)
    batches = shuffled_batches(name, 8)(0)
    model.compile(run_eagerly=True)
    history = model.fit(batches, epochs=2, shuffle=False, verbose=0).history
    finite = all(np.isfinite(values).all() and len(values) == 2 for values in history.values())
    require(finite, f"fit gives {history}")
    ragged = batches.unbatch().batch(5)  # 8 examples: the last batch has 3
    metrics = model.evaluate(ragged, verbose=0, return_dict=True)
    require(metrics.keys() == history.keys(), f"evaluate gives {[*metrics]}, fit {[*history]}")
    x = tf.nest.map_structure(np.array, inputs(model, 6))
    require(np.isfinite(model.predict(x, verbose=0)).all(), "predict returns non-finite values")
    layers = {path.partition("/")[0] for path, _ in inspection.layers(model)}
    require("optimizer" not in layers, "an optimizer is tracked as a layer")


def the_model_composes_in_the_functional_api(name: str) -> None:
    """A call on `keras.Input`s is a layer of another model."""
    model = shared_model(name)
    x = inputs(model, 3)

    def symbol(value: tf.Tensor, label: str | None = None) -> Any:
        return keras.Input(value.shape[1:], dtype=value.dtype.name, name=label)

    symbolic = {k: symbol(t, k) for k, t in x.items()} if isinstance(x, dict) else symbol(x)
    outer = keras.Model(symbolic, keras.layers.Activation("tanh")(model(symbolic)))
    np.testing.assert_allclose(outer(x), np.tanh(model(x)), atol=1e-6)
    same = len(outer.trainable_variables) == len(model.trainable_variables)
    require(same, "the outer model has other trainable variables")


def activations_come_by_name(name: str) -> None:
    """`inspection.activations` finds the outputs of layers by their paths."""
    model = shared_model(name)
    x = inputs(model, 3)
    found = inspection.activations(model, x)
    layers = dict(inspection.layers(model))
    unknown = found.keys() - layers.keys()
    require(found and not unknown, f"outputs of {len(found)} layers, unknown: {unknown}")
    path = next((path for path in found if "Conv" in type(layers[path]).__name__), [*found][-1])
    alone = inspection.activations(model, x, [path])[path]
    require(alone.shape == found[path].shape, f"{path} alone has another shape")
    try:
        inspection.activations(model, x, ["nonsense"])
    except UnknownNameError:
        pass
    else:
        require(False, "an unknown layer is not an error")
    patched = [path for path, layer in layers.items() if "call" in vars(layer)]
    require(not patched, f"`call` of {patched} was replaced")


def inspection_shows_every_layer_and_gradient_and_changes_nothing(name: str) -> None:
    """`zoo inspect`: each variable has a gradient and an update, each layer an output."""
    run = small_trainer(name)
    before = run.state.arrays()
    result = run.inspect({key: np.asarray(x) for key, x in run.model.example_batch().items()})
    changed = same_bits(before, run.state.arrays())
    require(not changed, f"inspect changes {changed}")
    trainable = len(run.model.trainable_variables)
    require(len(result.variables) == trainable, f"{len(result.variables)} of {trainable} variables")
    still = [
        row["path"]
        for row in result.variables
        if not (row["gradient_norm"] > 0 and row["update_ratio"] > 0)
    ]
    require(not still, f"no gradient or no update of {still}")
    layers = {p: layer for p, layer in inspection.layers(run.model) if layer.trainable_variables}
    called = {row["path"] for row in result.layers}
    # Layers inside of a called layer may be used without a call; so may one that groups others.
    used = {p for p in layers if called & {p, *map(str, PurePosixPath(p).parents)}}
    trained = {id(v) for path in used for v in layers[path].trainable_variables}
    unused = {p for p, layer in layers.items() if {*map(id, layer.trainable_variables)} - trained}
    # A prior is used through its methods, not called.
    require(unused <= {"latent_prior"}, f"a step does not call the layers {sorted(unused)}")
    wrong = [row["path"] for row in result.layers if row["nan"] or row["inf"]]
    require(not wrong, f"outputs of {wrong} are not finite")
    require(all(key in str(result) for key in result.losses), "the losses are not shown")


def a_frozen_part_does_not_change(name: str) -> None:
    """A layer with trainable=False keeps its bits, and the others are trained."""
    model = small_model(name)
    model.prepare()
    part = next(layer for _, layer in inspection.layers(model) if layer.trainable_variables)
    part.trainable = False
    before = [np.array(v) for v in part.weights]
    rest = [np.array(v) for v in model.trainable_variables]
    model.train_step(model.example_batch(8))
    for old, new in zip(before, part.weights, strict=True):
        frozen = "moving" in new.path or np.array_equal(old, np.array(new))
        require(frozen, f"{new.path} is frozen and changes")
    after = [np.array(v) for v in model.trainable_variables]
    trained = [(old != new).any() for old, new in zip(rest, after, strict=True)]
    require(any(trained) or not rest, "with a frozen part, nothing is trained")


def a_saved_model_gives_the_same_outputs_and_resumes(name: str) -> None:
    """A .keras file, with the state of the optimizers, and a file of weights, loaded again."""
    model = first_step(name).model
    batch = model.example_batch(4)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        weights_file = Path(folder) / "model.weights.h5"
        model.save(file)
        model.save_weights(weights_file)
        whole = keras.models.load_model(file)
        weights = small_model(name, seed=9)
        weights.load_weights(weights_file)
    with without_graphs():
        expected = model.outputs(batch, seed=3)
        for loaded in (whole, weights):
            np.testing.assert_allclose(loaded.outputs(batch, seed=3), expected, atol=1e-6)
    for saved, loaded in zip(model.optimizers.values(), whole.optimizers.values(), strict=True):
        require(type(saved) is type(loaded), f"{saved} is loaded as {loaded}")
        for old, new in zip(saved.variables, loaded.variables, strict=True):
            np.testing.assert_array_equal(new, old, err_msg=old.path)
