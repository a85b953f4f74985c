"""Token embeddings, tied output layers, and position embeddings."""

from typing import Any

import keras
import tensorflow as tf

from blocks.checks import boolean, positive_int

PAD = 0  # id of padding in a batch


@keras.saving.register_keras_serializable("blocks")
class TokenEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` whose table is also an output layer: vectors to logits of tokens.

    Tied output: Press, Wolf, "Using the Output Embedding to Improve Language Models" (2016, arXiv
    1608.05859).

    Shapes: tokens [b, t] to [b, t, output_dim]. Masks are explicit: `embedding.mask(tokens)`.

    Args:
        input_dim: size of the vocabulary; token 0 is padding.
        output_dim: width of a vector.
        scaled: whether vectors are multiplied by the square root of their width, as in section 3.4
            of Vaswani et al. (2017, arXiv 1706.03762).
        embeddings_initializer: any Keras initializer; None: N(0, 1 / output_dim). With a much
            smaller deviation a tied output layer starts with nearly equal logits and trains badly.
        **kwargs: as in Keras.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        scaled: bool = False,
        embeddings_initializer: Any = None,
        **kwargs: Any,
    ):
        positive_int(input_dim, "input_dim")
        width = positive_int(output_dim, "output_dim")
        default = keras.initializers.RandomNormal(stddev=width**-0.5)
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer or default,
            **kwargs,
        )
        self.scaled = boolean(scaled, "scaled")

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        vectors = super().call(tokens)
        return vectors * self.output_dim**0.5 if self.scaled else vectors

    def mask(self, tokens: tf.Tensor) -> tf.Tensor:
        """True where a token is not padding: [b, t] to bool [b, t]."""
        return tf.not_equal(tokens, PAD)

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Vectors [..., output_dim] to a logit of each token, float32 [..., input_dim]."""
        table = tf.cast(self.embeddings, self.compute_dtype)
        rows = tf.reshape(tf.cast(vectors, self.compute_dtype), (-1, self.output_dim))
        logits = tf.cast(tf.matmul(rows, table, transpose_b=True), tf.float32)
        return tf.reshape(logits, tf.concat([tf.shape(vectors)[:-1], [self.input_dim]], 0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scaled": self.scaled}


class Positions(keras.layers.Layer):
    """Base class of position embeddings: adds to each vector a vector of its position.

    Shapes: [b, t, d] to [b, t, d]. The first step is at position `start`, an integer or a scalar
    tensor: 0, or the number of steps that a decoder has done.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: tf.Tensor, start: int | tf.Tensor = 0) -> tf.Tensor:
        positions = start + tf.range(tf.shape(inputs)[1])
        return inputs + tf.cast(self.vectors(positions, inputs.shape[-1]), inputs.dtype)

    def vectors(self, positions: tf.Tensor, width: int) -> tf.Tensor:
        """Integers [t] to [t, width]."""
        raise NotImplementedError

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return tuple(inputs_shape)


@keras.saving.register_keras_serializable("blocks")
class SinusoidalPositions(Positions):
    """Sines and cosines of wavelengths from 2 pi to 10000 * 2 pi, for any length.

    Vaswani et al. (2017, arXiv 1706.03762), section 3.5. Shapes: `Positions`; d is even.
    """

    def build(self, inputs_shape: tuple) -> None:
        if inputs_shape[-1] % 2:
            raise ValueError(f"sinusoidal positions need an even width, got {inputs_shape[-1]}")

    def vectors(self, positions: tf.Tensor, width: int) -> tf.Tensor:
        rates = 10000.0 ** (-tf.range(0, width, 2, tf.float32) / width)
        angles = tf.cast(positions, tf.float32)[:, None] * rates
        return tf.reshape(tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1), (-1, width))


@keras.saving.register_keras_serializable("blocks")
class LearnedPositions(Positions):
    """A trainable vector for each position below `length`. Shapes: `Positions`.

    Args:
        length: number of positions; a longer sequence is an error.
    """

    def __init__(self, length: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.length = positive_int(length, "length")

    def build(self, inputs_shape: tuple) -> None:
        self.table = self.add_weight(
            shape=(self.length, inputs_shape[-1]), initializer="uniform", name="table"
        )

    def call(self, inputs: tf.Tensor, start: int | tf.Tensor = 0) -> tf.Tensor:
        if (inputs.shape[1] or 0) > self.length:
            raise ValueError(f"there are {self.length} positions, got {inputs.shape[1]} steps")
        return super().call(inputs, start)

    def vectors(self, positions: tf.Tensor, width: int) -> tf.Tensor:
        return tf.gather(tf.convert_to_tensor(self.table), positions)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}
