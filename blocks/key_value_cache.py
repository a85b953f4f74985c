"""Key-value caches: causal layers one step at a time, each step computed once.

A decoder's state is a nest of tensors, batch first, so that a beam search can reorder its rows:

    state = initial_state([layer.initial_state(...) for layer in layers])
    x, weights, state = step_layers(layers, x, state)       # x: [b, d], one step

A layer has `step(inputs, state, position) -> (outputs, attention weights, next state)`, as
`blocks.CausalTransformerLayer` and `blocks.TransformerDecoderLayer`.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def init_cache(
    batch_size: int | tf.Tensor, num_heads: int, length: int | tf.Tensor, width: int, dtype: str
) -> dict[str, tf.Tensor]:
    """An empty cache for keys and values of `length` steps, a memory as in `blocks.attention`.

    Args:
        width: of a key and of a value in each head.
    """
    zeros = tf.zeros((batch_size, num_heads, length, width), dtype)
    return {"keys": zeros, "values": zeros, "mask": tf.zeros((batch_size, length), tf.bool)}


def update_cache(
    cache: dict[str, tf.Tensor], new: dict[str, tf.Tensor], position: int | tf.Tensor
) -> dict[str, tf.Tensor]:
    """The cache with the keys and values of one more step, which may be attended to.

    Args:
        cache: from `init_cache` or the previous step.
        new: the memory of the step, [b, num_heads, 1, width].
        position: the number of previous steps, a scalar below the cache's length.
    """
    length = tf.shape(cache["mask"])[1]
    tf.debugging.assert_less(position, length, f"the cache has room for {length} steps")
    current = tf.equal(tf.range(length), position)
    return {
        "keys": tf.where(current[:, None], new["keys"], cache["keys"]),
        "values": tf.where(current[:, None], new["values"], cache["values"]),
        "mask": cache["mask"] | current,
    }


def extend_cache(memory: dict[str, tf.Tensor], length: int | tf.Tensor) -> dict[str, tf.Tensor]:
    """A cache for `length` steps, whose first ones are those of a memory."""
    free = length - tf.shape(memory["mask"])[1]
    rows = ((0, 0), (0, 0), (0, free), (0, 0))
    return {
        "keys": tf.pad(memory["keys"], rows),
        "values": tf.pad(memory["values"], rows),
        "mask": tf.pad(memory["mask"], ((0, 0), (0, free))),
    }


def initial_state(layer_states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of a stack of layers before the first step.

    Args:
        layer_states: the initial state of each layer, batch first.
    """
    batch_size = tf.shape(tf.nest.flatten(layer_states)[0])[0]
    # One number per sequence, all equal: every tensor of a state has a batch dimension.
    return {"position": tf.zeros((batch_size,), tf.int32), "layers": [*layer_states]}


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
    layers: Sequence[keras.layers.Layer], inputs: tf.Tensor, length: int | tf.Tensor
) -> tuple[tf.Tensor, dict[str, Any]]:
    """The first t steps of all layers at once: (outputs [b, t, d], the state after them).

    Args:
        layers: as in `step_layers`, with a method `prefill`.
        inputs: [b, t, d].
        length: number of steps for which the state has room.
    """
    x = inputs
    layer_states = []
    for layer in layers:
        x, layer_state = layer.prefill(x, length)
        layer_states.append(layer_state)
    state = initial_state(layer_states)
    return x, state | {"position": state["position"] + tf.shape(inputs)[1]}
