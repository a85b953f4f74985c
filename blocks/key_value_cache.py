"""Key-value caches: causal layers one step at a time, each step computed once.

A decoder's state is a nest of tensors, batch first, so that a beam search can reorder its rows:

    state = initial_state([layer.initial_state(...) for layer in layers])
    x, weights, state = step_layers(layers, x, state)       # x: [b, d], one step

TensorFlow copies a tensor to change a part of it. A cache therefore has two parts: the steps of the
past, which grow by `CHUNK` steps at a time and do not change in between, and the last steps, of
which there are few.

A layer has `step(inputs, state, position) -> (outputs, attention weights, next state)`, as
`blocks.CausalTransformerLayer` and `blocks.TransformerDecoderLayer`.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

CHUNK = 16  # number of positions in the part of the last steps

Cache = dict[str, dict[str, tf.Tensor]]


def init_cache(batch_size: int | tf.Tensor, num_heads: int, width: int, dtype: str) -> Cache:
    """An empty cache: `keys` and `values` of the `past` and of the `last` steps.

    Args:
        width: width of a key and of a value in each head.
    """
    empty = tf.zeros((batch_size, num_heads, 0, width), dtype)
    return extend_cache({"keys": empty, "values": empty})


def extend_cache(memory: dict[str, tf.Tensor]) -> Cache:
    """A cache whose first steps are those of a memory."""
    steps = tf.shape(memory["keys"])[2]
    edge = steps - steps % CHUNK
    free = (0, 0), (0, 0), (0, CHUNK - steps % CHUNK), (0, 0)
    both = {name: memory[name] for name in ("keys", "values")}
    return {
        "past": {name: x[:, :, :edge] for name, x in both.items()},
        "last": {name: tf.pad(x[:, :, edge:], free) for name, x in both.items()},
    }


def update_cache(cache: Cache, new: dict[str, tf.Tensor], position: int | tf.Tensor) -> Cache:
    """The cache with the keys and values of one more step.

    Args:
        cache: from `init_cache`, `extend_cache` or the previous step.
        new: keys and values of the step, [b, num_heads, 1, width].
        position: the number of previous steps, a scalar.
    """
    past = cache["past"]
    last = cache["last"]
    is_full = tf.shape(past["keys"])[2] + CHUNK <= position
    past = tf.cond(
        is_full,
        lambda: {name: tf.concat([past[name], last[name]], axis=2) for name in past},
        lambda: past,
    )
    batch_size, num_heads, _, width = tf.unstack(tf.shape(new["keys"]))
    rows = (tf.range(batch_size * num_heads) * CHUNK + position % CHUNK)[:, None]

    def write(old: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(old, (-1, width))
        flat = tf.tensor_scatter_nd_update(flat, rows, tf.reshape(step, (-1, width)))
        return tf.reshape(flat, tf.shape(old))

    return {"past": past, "last": {name: write(last[name], new[name]) for name in last}}


def cached_memory(cache: Cache, position: int | tf.Tensor) -> dict[str, Any]:
    """A memory as in `blocks.MultiHeadAttention` of the steps up to a position."""
    steps = tf.range(tf.shape(cache["past"]["keys"])[2] + CHUNK)
    parts = {name: (cache["past"][name], cache["last"][name]) for name in ("keys", "values")}
    return parts | {"mask": (steps <= position)[None]}


def initial_state(layer_states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of a stack of layers before the first step.

    Args:
        layer_states: the initial state of each layer, batch first.
    """
    batch_size = tf.shape(tf.nest.flatten(layer_states)[0])[0]
    # One number per sequence, all equal: every tensor of a state has a batch dimension.
    return {"position": tf.zeros((batch_size,), tf.int32), "layers": [*layer_states]}


def state_shapes(state: dict[str, Any]) -> dict[str, Any]:
    """The static shapes of the tensors of a state; the lengths of the caches are None."""

    def shape_of(x: tf.Tensor) -> tf.TensorShape:
        growing = x.shape.rank == 4  # keys or values
        return tf.TensorShape([*x.shape[:2], None, x.shape[3]]) if growing else x.shape

    return tf.nest.map_structure(shape_of, state)


def current_position(state: dict[str, Any]) -> tf.Tensor:
    """The number of steps that led to a state, a scalar."""
    return tf.reduce_max(state["position"])


def step_layers(
    layers: Sequence[keras.layers.Layer], inputs: tf.Tensor, state: dict[str, Any]
) -> tuple[tf.Tensor, list[tf.Tensor], dict[str, Any]]:
    """One step of all layers: (outputs [b, d], attention weights of each layer, next state)."""
    position = current_position(state)
    x = inputs
    weights = []
    layer_states = []
    for layer, layer_state in zip(layers, state["layers"], strict=True):
        x, layer_weights, layer_state = layer.step(x, layer_state, position)
        weights.append(layer_weights)
        layer_states.append(layer_state)
    return x, weights, {"position": state["position"] + 1, "layers": layer_states}


def prefill_layers(
    layers: Sequence[keras.layers.Layer], inputs: tf.Tensor
) -> tuple[tf.Tensor, dict[str, Any]]:
    """The first t steps of all layers at once: (outputs [b, t, d], the state after them).

    Args:
        layers: as in `step_layers`, with a method `prefill`.
        inputs: [b, t, d].
    """
    x = inputs
    layer_states = []
    for layer in layers:
        x, layer_state = layer.prefill(x)
        layer_states.append(layer_state)
    state = initial_state(layer_states)
    return x, state | {"position": state["position"] + tf.shape(inputs)[1]}
