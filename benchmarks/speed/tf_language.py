"""`gpt` without the zoo: in the style of TensorFlow's tutorials, and of keras.io.

- "tf.function loop": attention written with TensorFlow's operations, as in the tutorial
  "Transformer model for language understanding" until 2023, and one `@tf.function`. Decoding is a
  loop of AutoGraph, with a cache that the tutorial lacks.
- "tf.function step": the same decoding step, compiled, in a Python loop.
- "keras fit": `keras.layers.MultiHeadAttention`, as on keras.io ("Text generation with a miniature
  GPT"), trained by `fit`.

All have the layers of the zoo's model; `parts` are in the order of its weights.
"""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from benchmarks.speed.tf_images import LossTrackingModel
from benchmarks.speed.variants import ADAMW, CLIP_NORM

Cache = tuple[tf.Tensor, tf.Tensor]


class Attention(layers.Layer):
    """Causal self-attention as in TensorFlow's tutorials, with a cache."""

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.width = width
        self.num_heads = num_heads
        self.query, self.key, self.value, self.output_layer = (
            layers.Dense(width) for _ in range(4)
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.prefill(x)[0]

    def prefill(self, x: tf.Tensor) -> tuple[tf.Tensor, Cache]:
        """(context, keys and values) of all steps."""
        query, key, value = (self.heads(layer(x)) for layer in (self.query, self.key, self.value))
        steps = tf.shape(x)[1]
        future = 1 - tf.linalg.band_part(tf.ones((steps, steps)), -1, 0)
        return self.attend(query, key, value, future), (key, value)

    def step(self, x: tf.Tensor, position: tf.Tensor, cache: Cache) -> tuple[tf.Tensor, Cache]:
        """(context, cache) of one step, x [b, 1, width]."""
        query, key, value = (self.heads(layer(x)) for layer in (self.query, self.key, self.value))
        places = tf.range(tf.shape(cache[0])[2])
        here = (places == position)[:, None]
        keys = tf.where(here, key, cache[0])
        values = tf.where(here, value, cache[1])
        future = tf.cast(places > position, tf.float32)
        return self.attend(query, keys, values, future), (keys, values)

    def attend(
        self, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, future: tf.Tensor
    ) -> tf.Tensor:
        scores = tf.matmul(query, keys, transpose_b=True)
        scores /= math.sqrt(self.width // self.num_heads)
        context = tf.matmul(tf.nn.softmax(scores - 1e9 * future), values)
        joined = tf.transpose(context, (0, 2, 1, 3))
        shape = (tf.shape(query)[0], -1, self.width)
        return self.output_layer(tf.reshape(joined, shape))

    def heads(self, x: tf.Tensor) -> tf.Tensor:
        shape = (tf.shape(x)[0], -1, self.num_heads, self.width // self.num_heads)
        return tf.transpose(tf.reshape(x, shape), (0, 2, 1, 3))


class KerasAttention(layers.MultiHeadAttention):
    """Causal self-attention of Keras."""

    def __init__(self, width: int, num_heads: int):
        super().__init__(num_heads, width // num_heads)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return super().call(x, x, use_causal_mask=True)

    def build(self, shape: tuple) -> None:
        super().build(shape, shape)


class Block(layers.Layer):
    """A pre-norm layer."""

    def __init__(self, width: int, num_heads: int, attention: type):
        super().__init__()
        self.attention = attention(width, num_heads)
        self.attention_norm = layers.LayerNormalization(epsilon=1e-6)
        self.hidden = layers.Dense(4 * width, activation="gelu")
        self.output_layer = layers.Dense(width)
        self.norm = layers.LayerNormalization(epsilon=1e-6)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.add_feed_forward(x + self.attention(self.attention_norm(x)))

    def add_feed_forward(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.output_layer(self.hidden(self.norm(x)))

    def prefill(self, x: tf.Tensor) -> tuple[tf.Tensor, Cache]:
        context, cache = self.attention.prefill(self.attention_norm(x))
        return self.add_feed_forward(x + context), cache

    def step(self, x: tf.Tensor, position: tf.Tensor, cache: Cache) -> tuple[tf.Tensor, Cache]:
        context, cache = self.attention.step(self.attention_norm(x), position, cache)
        return self.add_feed_forward(x + context), cache

    @property
    def parts(self) -> list[layers.Layer]:
        return [self.attention, self.attention_norm, self.hidden, self.output_layer, self.norm]


class Network:
    """Ids [b, t] to logits [b, t, ids]; and one token at a time."""

    def __init__(
        self,
        text_vocabulary: int,
        context_length: int,
        num_layers: int,
        hidden_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        attention: type = Attention,
    ):
        self.context_length = context_length
        self.embedding = layers.Embedding(text_vocabulary, hidden_dim)
        self.positions = layers.Embedding(context_length, hidden_dim)
        self.blocks = [Block(hidden_dim, num_heads, attention) for _ in range(num_layers)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self(tf.zeros((1, 1), tf.int32))  # builds the weights

    @property
    def weights(self) -> list[keras.Variable]:
        parts = [self.embedding, self.positions]
        parts += [part for block in self.blocks for part in block.parts]
        return [weight for part in [*parts, self.norm] for weight in part.weights]

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        x = self.embed(tokens, tf.range(tf.shape(tokens)[1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    def embed(self, tokens: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        return self.embedding(tokens) + self.positions(positions)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        table = tf.convert_to_tensor(self.embedding.embeddings)
        return tf.matmul(self.norm(x), table, transpose_b=True)

    def prefill(self, prompts: tf.Tensor) -> tuple[tf.Tensor, list[Cache]]:
        """(the most probable next tokens, a cache for all positions of each block)."""
        x = self.embed(prompts, tf.range(tf.shape(prompts)[1]))
        free = ((0, 0), (0, 0), (0, self.context_length - prompts.shape[1]), (0, 0))
        caches = []
        for block in self.blocks:
            x, (keys, values) = block.prefill(x)
            caches.append((tf.pad(keys, free), tf.pad(values, free)))
        return tf.argmax(self.logits(x[:, -1:])[:, 0], -1, tf.int32), caches

    def step(
        self, tokens: tf.Tensor, position: tf.Tensor, caches: list[Cache]
    ) -> tuple[tf.Tensor, list[Cache]]:
        """(the most probable next tokens, caches) after tokens [b] at a position."""
        x = self.embed(tokens[:, None], position[None])
        new_caches = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, position, cache)
            new_caches.append(cache)
        return tf.argmax(self.logits(x)[:, 0], -1, tf.int32), new_caches


def language_loss(model: Any, text: tf.Tensor) -> tf.Tensor:
    """One step of training, for the models of both styles; returns the loss."""
    with tf.GradientTape() as tape:
        logits = model.network(text[:, :-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=text[:, 1:], logits=logits)
        loss = tf.reduce_mean(losses)
    weights = model.network.weights
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return loss


def adamw(weights: list[keras.Variable]) -> keras.optimizers.Optimizer:
    """AdamW with decay of kernels only."""
    optimizer = keras.optimizers.AdamW(**ADAMW, global_clipnorm=CLIP_NORM)
    others = [weight for weight in weights if weight.name != "kernel"]
    optimizer.exclude_from_weight_decay(var_list=others)
    return optimizer


class TutorialGPT:
    """The model in the style of TensorFlow's tutorials: compiled loops."""

    def __init__(self, **arguments: Any):
        self.network = Network(**arguments)
        self.optimizer = adamw(self.network.weights)

    @tf.function
    def train_step(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"loss": language_loss(self, text)}

    @tf.function
    def generate(self, prompts: tf.Tensor, max_length: int) -> tf.Tensor:
        """The most probable token in each step: ids [b, max_length]."""
        tokens, caches = self.network.prefill(prompts)
        decoded = tf.TensorArray(tf.int32, max_length).write(0, tokens)
        for index in tf.range(1, max_length):
            position = prompts.shape[1] + index - 1
            tokens, caches = self.network.step(tokens, position, caches)
            decoded = decoded.write(index, tokens)
        return tf.transpose(decoded.stack())


class CompiledStepGPT(TutorialGPT):
    """Decoding with a compiled step in a Python loop."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self.prefill = tf.function(self.network.prefill)
        self.step = tf.function(self.network.step)

    def generate(self, prompts: tf.Tensor, max_length: int) -> tf.Tensor:
        tokens, caches = self.prefill(prompts)
        decoded = [tokens]
        for position in range(prompts.shape[1], prompts.shape[1] + max_length - 1):
            tokens, caches = self.step(tokens, tf.constant(position), caches)
            decoded.append(tokens)
        return tf.stack(decoded, 1)


class KerasGPT(LossTrackingModel):
    """The model in the style of keras.io, trained by `fit`."""

    def __init__(self, **arguments: Any):
        super().__init__(["loss"])
        self.network = Network(**arguments, attention=KerasAttention)
        self.compile(optimizer=adamw(self.network.weights))

    def train_step(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.update_trackers({"loss": language_loss(self, text)})


STYLES = {
    "tf.function loop": {"gpt": TutorialGPT},
    "tf.function step": {"gpt": CompiledStepGPT},
    "keras fit": {"gpt": KerasGPT},
}
