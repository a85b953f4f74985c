"""Attention Is All You Need.

Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones, Aidan N. Gomez, Lukasz
Kaiser, Illia Polosukhin, 2017, arXiv 1706.03762; normalization before each sublayer: Ruibin Xiong
et al., "On Layer Normalization in the Transformer Architecture", 2020, arXiv 2002.04745.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import SinusoidalPositions, TokenEmbedding, key_value_cache
from blocks import TransformerDecoderLayer as DecoderLayer
from blocks import TransformerEncoderLayer as EncoderLayer
from blocks.checks import fraction, fraction_or_schedule, one_of, positive_int
from zoo.optimizers import InverseSquareRoot

WARMUP = 2000  # steps; the paper's larger model on larger data takes 4000


@zoo.register("transformer")
class Transformer(zoo.Translator):
    """Encoder-decoder Transformer (pre-norm) for sequence-to-sequence tasks.

    Calling it maps source ids [batch, s] to annotations [batch, s, hidden_dim], zeros at padding.

    Args:
        source_vocabulary, target_vocabulary: the number of ids, or the vocabulary.
        hidden_dim: width of the embeddings and of every layer, a multiple of num_heads.
        intermediate_dim: width of the hidden layer of the feed-forward networks.
        num_heads: heads of each attention.
        num_encoder_layers, num_decoder_layers: number of layers.
        tie_embeddings: which tables are shared: None, "output" (target embedding and output
            layer), or "all" (the source embedding too, for a joint vocabulary).
        dropout: fraction of features dropped during training, of embeddings and of each sublayer.
        label_smoothing: fraction of the target distribution spread evenly over all tokens.
        scheduled_sampling: probability of replacing a decoder input by the model's own prediction
            during training; a number, or a callable of the step.
    """

    def __init__(
        self,
        source_vocabulary: Any = 8000,
        target_vocabulary: Any = 8000,
        hidden_dim: int = 128,
        intermediate_dim: int = 256,
        num_heads: int = 4,
        num_encoder_layers: int = 4,
        num_decoder_layers: int = 4,
        tie_embeddings: str | None = "output",
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        scheduled_sampling: float | Callable = 0.0,
        **kwargs: Any,
    ):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.hidden_dim = positive_int(hidden_dim, "hidden_dim")
        self.intermediate_dim = positive_int(intermediate_dim, "intermediate_dim")
        self.num_heads = positive_int(num_heads, "num_heads")
        self.num_encoder_layers = positive_int(
            num_encoder_layers, "num_encoder_layers", maximum=1000
        )
        self.num_decoder_layers = positive_int(
            num_decoder_layers, "num_decoder_layers", maximum=1000
        )
        self.tie_embeddings = one_of(tie_embeddings, (None, "output", "all"), "tie_embeddings")
        self.dropout = fraction(dropout, "dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.scheduled_sampling = fraction_or_schedule(scheduled_sampling, "scheduled_sampling")
        shared = tie_embeddings == "all"
        if shared and self.source_vocabulary != self.target_vocabulary:
            raise ValueError("tie_embeddings='all' needs one vocabulary for both sides")

        dtype = self.dtype_policy

        def embedding(feature: str) -> TokenEmbedding:
            size = self.vocabulary_sizes[feature]
            return TokenEmbedding(size, hidden_dim, scaled=True, dtype=dtype)

        def layers(kind: Callable, count: int) -> list[Any]:
            return [
                kind(hidden_dim, num_heads, intermediate_dim, dropout, dtype=dtype)
                for _ in range(count)
            ]

        self.source_embedding = embedding("source")
        self.target_embedding = self.source_embedding if shared else embedding("target")
        self.positions = SinusoidalPositions(dtype=dtype)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)
        self.encoder = layers(EncoderLayer, num_encoder_layers)
        self.encoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.decoder = layers(DecoderLayer, num_decoder_layers)
        self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        size = self.vocabulary_sizes["target"]
        self.output_layer = None if tie_embeddings else keras.layers.Dense(size, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        shape = (None, None, self.hidden_dim)
        self.source_embedding.build((None, None))
        if not self.target_embedding.built:
            self.target_embedding.build((None, None))
        for layer in (self.positions, *self.encoder, self.encoder_norm, self.decoder_norm):
            layer.build(shape)
        for layer in self.decoder:
            layer.build(shape, shape)
        if self.output_layer:
            self.output_layer.build(shape)

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        learning_rate = InverseSquareRoot((self.hidden_dim * WARMUP) ** -0.5, WARMUP)  # eq. 3
        options = {"beta_2": 0.98, "epsilon": 1e-9, "use_ema": True, "ema_momentum": 0.999}
        return {"": zoo.optimizers.Adam(learning_rate, **options)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["source"]
        y = batch["target"]
        with tf.GradientTape() as tape:
            encoded = self.encode(x, training=True)  # z, section 3.1
            inputs = self.sample_decoder_inputs(encoded, y[:, :-1], self.scheduled_sampling)
            logits, _ = self.decode(encoded, inputs, training=True)
            losses = self.token_losses(logits, y[:, 1:])
        self.minimize(losses["loss"], tape)
        return losses

    def encode(self, source: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        mask = self.source_embedding.mask(source)
        x = self.positions(self.source_embedding(source))
        x = self.dropout_layer(x, training=training)
        for layer in self.encoder:
            x = layer(x, mask=mask, training=training)
        x = self.encoder_norm(x)
        return {"values": tf.where(mask[..., None], x, tf.zeros((), x.dtype)), "mask": mask}

    def decode(
        self, encoded: dict[str, tf.Tensor], tokens: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = self.positions(self.target_embedding(tokens))
        x = self.dropout_layer(x, training=training)
        weights = []
        for layer in self.decoder:
            x, layer_weights = layer(
                x,
                encoded["values"],
                values_mask=encoded["mask"],
                training=training,
                return_weights=True,
            )
            weights.append(layer_weights)
        return self.logits(x), _mean_weights(weights)

    def initial_state(
        self, encoded: dict[str, tf.Tensor], max_length: int | tf.Tensor
    ) -> dict[str, Any]:
        source = (encoded["values"], encoded["mask"])
        states = [layer.initial_state(*source) for layer in self.decoder]
        return key_value_cache.initial_state(states)

    def decode_step(
        self, tokens: tf.Tensor, state: dict[str, Any]
    ) -> tuple[tf.Tensor, dict[str, Any], tf.Tensor]:
        start = key_value_cache.current_position(state)
        x = self.positions(self.target_embedding(tokens[:, None]), start=start)[:, 0]
        x, weights, state = key_value_cache.step_layers(self.decoder, x, state)
        return self.logits(x), state, _mean_weights(weights)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Logits of the next token from the last layer's outputs, float32."""
        x = self.decoder_norm(x)
        if self.output_layer is None:
            return self.target_embedding.logits(x)
        return tf.cast(self.output_layer(x), tf.float32)

    def call(self, source: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.encode(tf.cast(source, tf.int32), training)["values"]


def _mean_weights(weights: list[tf.Tensor]) -> tf.Tensor:
    """The mean over layers and heads: a list of [b, heads, ...] to [b, ...]."""
    return tf.reduce_mean(tf.stack([tf.reduce_mean(w, axis=1) for w in weights]), axis=0)
