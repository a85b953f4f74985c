"""Neural Machine Translation by Jointly Learning to Align and Translate.

Dzmitry Bahdanau, Kyunghyun Cho, Yoshua Bengio, 2014, arXiv 1409.0473; with other arguments,
Minh-Thang Luong, Hieu Pham, Christopher D. Manning, "Effective Approaches to Attention-based Neural
Machine Translation", 2015, arXiv 1508.04025.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import AttentionDecoder, SequenceEncoder, TokenEmbedding
from blocks.attention import AdditiveAttention, MultiplicativeAttention
from blocks.checks import fraction, fraction_or_schedule, one_of, positive_int
from blocks.recurrent import CELLS, AttentionCell, InputFeedingCell

ATTENTIONS = {
    "additive": lambda units, dtype: AdditiveAttention(units, dtype=dtype),
    "dot": lambda units, dtype: MultiplicativeAttention("dot", dtype=dtype),
    "general": lambda units, dtype: MultiplicativeAttention("general", dtype=dtype),
}
ATTENTION_ORDERS: dict[str, Callable[..., AttentionCell]] = {
    "bahdanau": AttentionCell,
    "luong": lambda cell, attention, dtype: InputFeedingCell(
        cell, attention, cell.units, dtype=dtype
    ),
}


@zoo.register("seq2seq")
class Seq2Seq(zoo.Translator):
    """Recurrent encoder-decoder with attention: bidirectional encoder, attention at each step.

    Calling it maps source ids [batch, s] to annotations [batch, s, units], zeros at padding.

    Args:
        source_vocabulary, target_vocabulary: the number of ids, or the vocabulary.
        embedding_dim: width of the token embeddings.
        units: width of the decoder state and of an annotation (half of it per direction).
        cell: "gru" or "lstm", on both sides.
        attention: "additive" (Bahdanau), "dot", "general" (Luong), or a layer like those of
            `blocks.attention`.
        attention_order: "bahdanau" attends with the previous state, then updates it; "luong"
            updates the state, attends with it, and feeds the result to the next step.
        tie_embeddings: which tables are shared: None, "output" (target embedding and output
            layer), or "all" (the source embedding too, for a joint vocabulary).
        dropout: fraction of features dropped during training, of embeddings and decoder outputs.
        label_smoothing: fraction of the target distribution spread evenly over all tokens.
        scheduled_sampling: probability of replacing a decoder input by the model's own prediction
            during training; a number, or a callable of the step.
    """

    micro_batches = 2

    def __init__(
        self,
        source_vocabulary: Any = 8000,
        target_vocabulary: Any = 8000,
        embedding_dim: int = 256,
        units: int = 512,
        cell: str = "gru",
        attention: str | keras.layers.Layer = "additive",
        attention_order: str = "bahdanau",
        tie_embeddings: str | None = None,
        dropout: float = 0.3,
        label_smoothing: float = 0.0,
        scheduled_sampling: float | Callable = 0.0,
        **kwargs: Any,
    ):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        if not isinstance(attention, keras.Layer):
            one_of(attention, ATTENTIONS, "attention")
        self.attention = attention
        self.attention_order = one_of(attention_order, ATTENTION_ORDERS, "attention_order")
        self.tie_embeddings = one_of(tie_embeddings, (None, "output", "all"), "tie_embeddings")
        self.dropout = fraction(dropout, "dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.scheduled_sampling = fraction_or_schedule(scheduled_sampling, "scheduled_sampling")
        source_size, target_size = self.vocabulary_sizes.values()
        shared = tie_embeddings == "all"
        if shared and self.source_vocabulary != self.target_vocabulary:
            raise ValueError("tie_embeddings='all' needs one vocabulary for both sides")
        if units % 2:
            raise ValueError(f"units must be even, half for each direction, got {units}")

        dtype = self.dtype_policy
        dense = keras.layers.Dense
        self.source_embedding = TokenEmbedding(source_size, embedding_dim, dtype=dtype)
        separate = TokenEmbedding(target_size, embedding_dim, dtype=dtype)
        self.target_embedding = self.source_embedding if shared else separate
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)
        self.encoder = SequenceEncoder(units // 2, cell, dtype=dtype)
        states = 2 if cell == "lstm" else 1
        self.bridges = [dense(units, activation="tanh", dtype=dtype) for _ in range(states)]
        if isinstance(attention, str):
            attention = ATTENTIONS[attention](units, dtype)
        inner = CELLS[cell](units, dtype=dtype)
        step = ATTENTION_ORDERS[attention_order](inner, attention, dtype=dtype)
        self.decoder = AttentionDecoder(step, dtype=dtype)
        self.readout = dense(embedding_dim, activation="tanh", dtype=dtype)
        self.output_layer = None if tie_embeddings else dense(target_size, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        embedded = (None, None, self.embedding_dim)
        annotations = (None, None, self.units)
        self.source_embedding.build((None, None))
        if not self.target_embedding.built:
            self.target_embedding.build((None, None))
        self.encoder.build(embedded)
        for bridge in self.bridges:
            bridge.build((None, self.units))
        self.decoder.build(embedded, annotations)
        self.readout.build((None, None, self.decoder.cell.output_size + self.embedding_dim))
        if self.output_layer:
            self.output_layer.build(embedded)

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.Adam(1e-3, global_clipnorm=1.0)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["source"]
        y = batch["target"]
        with tf.GradientTape() as tape:
            encoded = self.encode(x, training=True)  # annotations h_j, eq. 7
            inputs = self.sample_decoder_inputs(encoded, y[:, :-1], self.scheduled_sampling)
            logits, _ = self.decode(encoded, inputs, training=True)  # p(y_i | y_<i, x), eq. 4
            losses = self.token_losses(logits, y[:, 1:])
        self.minimize(losses["loss"], tape)
        return losses

    def encode(self, source: tf.Tensor, training: bool = False) -> dict[str, Any]:
        mask = self.source_embedding.mask(source)
        embedded = self.dropout_layer(self.source_embedding(source), training=training)
        annotations, *ends = self.encoder(embedded, mask=mask)
        state = [bridge(end) for bridge, end in zip(self.bridges, ends, strict=True)]  # s_0
        return {"annotations": annotations, "mask": mask, "state": state}

    def decode(
        self, encoded: dict[str, Any], tokens: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        embedded = self.dropout_layer(self.target_embedding(tokens), training=training)
        hidden, weights = self.decoder(
            embedded,
            encoded["annotations"],
            values_mask=encoded["mask"],
            initial_state=encoded["state"],
            return_weights=True,
        )
        return self.logits(hidden, embedded, training), weights

    def initial_state(self, encoded: dict[str, Any], max_length: int | tf.Tensor) -> list[Any]:
        cell = self.decoder.cell
        memory = cell.attention.prepare_memory(encoded["annotations"], encoded["mask"])
        return cell.initial_state(memory, encoded["state"])

    def decode_step(
        self, tokens: tf.Tensor, state: list[Any]
    ) -> tuple[tf.Tensor, list[Any], tf.Tensor]:
        embedded = self.target_embedding(tokens)
        hidden, state = self.decoder.cell(embedded, state)
        return self.logits(hidden, embedded), state, self.decoder.cell.attention_weights(state)

    def logits(self, hidden: tf.Tensor, embedded: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the next token, float32, from decoder outputs and embedded decoder inputs."""
        x = self.dropout_layer(tf.concat([hidden, embedded], axis=-1), training=training)
        deep_output = self.readout(x)  # t_i, appendix A.2.2
        if self.output_layer is None:
            return self.target_embedding.logits(deep_output)
        return tf.cast(self.output_layer(deep_output), tf.float32)

    def call(self, source: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.encode(tf.cast(source, tf.int32), training)["annotations"]
