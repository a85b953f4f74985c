"""Show, Attend and Tell: Neural Image Caption Generation with Visual Attention.

Kelvin Xu, Jimmy Ba, Ryan Kiros, Kyunghyun Cho, Aaron Courville, Ruslan Salakhutdinov, Richard
Zemel, Yoshua Bengio, 2015, arXiv 1502.03044; the deterministic "soft" attention, section 4.2.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import AdditiveAttention, AttentionDecoder, Downsample, Stack, TokenEmbedding
from blocks.checks import boolean, fraction, int_tuple, non_negative_float, one_of, positive_int
from blocks.recurrent import CELLS, GatedAttentionCell


@zoo.register("captioning")
class Captioning(zoo.Captioner):
    """Image captioning: a convolutional encoder and a recurrent decoder with visual attention.

    Calling it maps images [batch, h, w, c] to annotations [batch, positions, channels].

    Args:
        caption_vocabulary: the number of ids, or the vocabulary.
        image_shape: height, width and channels of the images or features in a batch.
        encoder: channels of pairs of convolutions that halve the image; a layer, such as a Keras
            network without its top; or None: batches contain feature maps, as "features".
        embedding_dim: width of the token embeddings.
        units: width of the decoder state and of the attention.
        cell: "lstm" or "gru".
        tie_embeddings: whether the token embedding is the output layer too.
        dropout: fraction of features dropped during training, of embeddings and decoder outputs.
        annotation_dropout: fraction of channels dropped, the same ones at all image positions.
        label_smoothing: fraction of the target distribution spread evenly over all tokens.
        doubly_stochastic_weight: weight lambda of the doubly stochastic attention penalty (eq. 14).
    """

    micro_batches = 2

    def __init__(
        self,
        caption_vocabulary: Any = 8000,
        image_shape: Sequence[int] = (48, 48, 3),
        encoder: Sequence[int] | keras.layers.Layer | None = (32, 64, 128),
        embedding_dim: int = 256,
        units: int = 512,
        cell: str = "lstm",
        tie_embeddings: bool = False,
        dropout: float = 0.5,
        annotation_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        doubly_stochastic_weight: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(caption_vocabulary, image_shape, **kwargs)
        self.input_feature = "features" if encoder is None else "image"
        from_channels = isinstance(encoder, list | tuple)
        if not (from_channels or encoder is None or isinstance(encoder, keras.Layer)):
            raise ValueError(f"encoder must be channels, a layer or None, got {encoder!r}")
        self.encoder = int_tuple(encoder, "encoder") if from_channels else encoder
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        self.tie_embeddings = boolean(tie_embeddings, "tie_embeddings")
        self.dropout = fraction(dropout, "dropout")
        self.annotation_dropout = fraction(annotation_dropout, "annotation_dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.doubly_stochastic_weight = non_negative_float(
            doubly_stochastic_weight, "doubly_stochastic_weight"
        )

        dtype = self.dtype_policy
        dense = keras.layers.Dense
        drop = keras.layers.Dropout
        pair = {"repeats": 2, "norm": "batch", "dtype": dtype}  # widens the receptive field
        layers = [encoder]
        if isinstance(encoder, list | tuple):
            layers = [Downsample(n, **pair) for n in encoder]
        layers = [layer for layer in layers if layer is not None]
        channels = drop(annotation_dropout, noise_shape=(None, 1, 1, None), dtype=dtype)
        self.image_encoder = Stack([*layers, channels], dtype=dtype)
        size = self.vocabulary_sizes["caption"]
        self.token_embedding = TokenEmbedding(size, embedding_dim, dtype=dtype)
        self.dropout_layer = drop(dropout, dtype=dtype)
        states = 2 if cell == "lstm" else 1
        self.initial_state_layers = [
            dense(units, activation="tanh", dtype=dtype) for _ in range(states)
        ]
        step = GatedAttentionCell(
            CELLS[cell](units, dtype=dtype), AdditiveAttention(units, dtype=dtype), dtype=dtype
        )
        self.decoder = AttentionDecoder(step, dtype=dtype)
        self.readout = dense(embedding_dim, dtype=dtype)
        self.output_layer = None if tie_embeddings else dense(size, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        embedded = (None, None, self.embedding_dim)
        self.image_encoder.build((None, *self.image_shape))
        *_, channels = self.encoder_output_shape(self.image_encoder)
        self.token_embedding.build((None, None))
        for layer in self.initial_state_layers:
            layer.build((None, channels))
        self.decoder.build(embedded, (None, None, channels))
        self.readout.build((None, None, self.decoder.cell.output_size))
        if self.output_layer:
            self.output_layer.build(embedded)

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.Adam(4e-4, global_clipnorm=5.0)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch[self.input_feature]
        y = batch["caption"]
        with tf.GradientTape() as tape:
            encoded = self.encode(x, training=True)  # annotations a_i, section 3.1.1; h_0, c_0
            logits, alpha = self.decode(encoded, y[:, :-1], training=True)  # eq. 7; eq. 5
            losses = self.token_losses(logits, y[:, 1:], alpha)  # L_d, eq. 14
        self.minimize(losses["loss"], tape)
        return losses

    def token_losses(
        self,
        logits: tf.Tensor,
        tokens: tf.Tensor,
        attention_weights: tf.Tensor | None = None,
        axis: int | None = None,
    ) -> dict[str, tf.Tensor]:
        """As the base class, plus `doubly_stochastic_penalty`.

        The penalty is the mean over positions of (1 - sum of their weights over all steps)^2.
        """
        losses = super().token_losses(logits, tokens, axis=axis)
        mask = tf.cast(self.token_embedding.mask(tokens), tf.float32)[..., None]
        totals = tf.reduce_sum(mask * tf.cast(attention_weights, tf.float32), axis=1)
        penalty = tf.reduce_mean((1 - totals) ** 2, axis)
        losses["doubly_stochastic_penalty"] = penalty
        losses["loss"] += self.doubly_stochastic_weight * penalty
        return losses

    def encode(self, source: tf.Tensor, training: bool = False) -> dict[str, Any]:
        a = self.image_encoder(tf.cast(source, self.compute_dtype), training=training)
        a = tf.reshape(a, (-1, a.shape[1] * a.shape[2], a.shape[3]))
        mean = tf.reduce_mean(a, axis=1)
        return {"annotations": a, "state": [layer(mean) for layer in self.initial_state_layers]}

    def decode(
        self, encoded: dict[str, Any], tokens: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        embedded = self.dropout_layer(self.token_embedding(tokens), training=training)
        hidden, alpha = self.decoder(
            embedded, encoded["annotations"], initial_state=encoded["state"], return_weights=True
        )
        return self.logits(hidden, embedded, training), alpha

    def initial_state(self, encoded: dict[str, Any], max_length: int | tf.Tensor) -> list[Any]:
        cell = self.decoder.cell
        memory = cell.attention.prepare_memory(encoded["annotations"])
        return cell.initial_state(memory, encoded["state"])

    def decode_step(
        self, tokens: tf.Tensor, state: list[Any]
    ) -> tuple[tf.Tensor, list[Any], tf.Tensor]:
        embedded = self.token_embedding(tokens)
        hidden, state = self.decoder.cell(embedded, state)
        return self.logits(hidden, embedded), state, self.decoder.cell.attention_weights(state)

    def logits(self, hidden: tf.Tensor, embedded: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the next token, float32: L_o (E y + L_h h + L_z z), eq. 7."""
        deep_output = embedded + self.readout(self.dropout_layer(hidden, training=training))
        if self.output_layer is None:
            return self.token_embedding.logits(deep_output)
        return tf.cast(self.output_layer(deep_output), tf.float32)

    @property
    def feature_map_shape(self) -> tuple[int, int]:
        return self.encoder_output_shape(self.image_encoder)[:2]

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.encode(images, training)["annotations"]
