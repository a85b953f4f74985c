"""Neural Machine Translation by Jointly Learning to Align and Translate.

Dzmitry Bahdanau, Kyunghyun Cho, Yoshua Bengio, 2014, arXiv 1409.0473; by arguments, Minh-Thang
Luong, Hieu Pham, Christopher D. Manning, "Effective Approaches to Attention-based Neural Machine
Translation", 2015, arXiv 1508.04025.
"""

import keras
import tensorflow as tf

import zoo
from blocks import AttentionDecoder, SequenceEncoder, TokenEmbedding
from blocks.attention import AdditiveAttention, MultiplicativeAttention
from blocks.checks import fraction, fraction_or_schedule, one_of, positive_int
from blocks.recurrent import CELLS, AttentionCell, InputFeedingCell

ALIGNMENTS = {
    "additive": lambda units, dtype: AdditiveAttention(units, dtype=dtype),
    "dot": lambda units, dtype: MultiplicativeAttention("dot", dtype=dtype),
    "general": lambda units, dtype: MultiplicativeAttention("general", dtype=dtype),
}
ORDERS = {
    "bahdanau": AttentionCell,
    "luong": lambda *layers, dtype: InputFeedingCell(*layers, layers[0].units, dtype=dtype),
}


@zoo.register("seq2seq")
class Seq2Seq(zoo.Translator):
    """An encoder reads in both directions; a decoder looks at it anew before each word it says.

    Calling it maps source ids [batch, s] to annotations [batch, s, units], zeros at padding.

    Args:
        source_vocabulary, target_vocabulary: how many ids there are, or the vocabulary.
        embedding_dim: width of a word's vector.
        units: width of the decoder's state, and of an annotation: half of it for each direction.
        cell: "gru" or "lstm", on both sides.
        alignment: "additive" (Bahdanau), "dot", "general" (Luong), or a layer like those of
            `blocks.attention`.
        order: of a step: "bahdanau" looks with the last state, then moves on; "luong" moves on,
            looks with the new state, and feeds what it saw to the next step.
        tied: which tables of vectors are one: None, "output" (the target words' and the output
            layer's), or "all" (the source words' too, for a joint vocabulary).
        dropout: share of the features dropped while training, of words and of the decoder's output.
        label_smoothing: share of the target distribution that goes to all words alike.
        own_words: share of the words before that are not the right ones but the model's own
            guesses; a number, or a callable of the step: scheduled sampling.
    """

    micro_batches = 2

    def __init__(
        self,
        source_vocabulary=8000,
        target_vocabulary=8000,
        embedding_dim=256,
        units=512,
        cell="gru",
        alignment="additive",
        order="bahdanau",
        tied=None,
        dropout=0.3,
        label_smoothing=0.0,
        own_words=0.0,
        **kwargs,
    ):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        if not isinstance(alignment, keras.Layer):
            one_of(alignment, ALIGNMENTS, "alignment")
        self.alignment = alignment
        self.order = one_of(order, ORDERS, "order")
        self.tied = one_of(tied, (None, "output", "all"), "tied")
        self.dropout = fraction(dropout, "dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.own_words = fraction_or_schedule(own_words, "own_words")
        source_size, target_size = self.sizes.values()
        if tied == "all" and self.source_vocabulary != self.target_vocabulary:
            raise ValueError("tied='all' needs one vocabulary for both sides")
        if units % 2:
            raise ValueError(f"units must be even, half for each direction, got {units}")

        dtype, dense = self.dtype_policy, keras.layers.Dense
        self.source_words = TokenEmbedding(source_size, embedding_dim, dtype=dtype)
        one, other = self.source_words, TokenEmbedding(target_size, embedding_dim, dtype=dtype)
        self.target_words = one if tied == "all" else other
        self.drop = keras.layers.Dropout(dropout, dtype=dtype)
        self.encoder = SequenceEncoder(units // 2, cell, dtype=dtype)
        states = 2 if cell == "lstm" else 1
        self.bridges = [dense(units, activation="tanh", dtype=dtype) for _ in range(states)]
        if isinstance(alignment, str):
            alignment = ALIGNMENTS[alignment](units, dtype)
        step = ORDERS[order](CELLS[cell](units, dtype=dtype), alignment, dtype=dtype)
        self.decoder = AttentionDecoder(step, dtype=dtype)
        self.readout = dense(embedding_dim, activation="tanh", dtype=dtype)
        self.output_layer = None if tied else dense(target_size, dtype=dtype)

    def build(self, input_shape=None):
        words, annotations = (None, None, self.embedding_dim), (None, None, self.units)
        self.source_words.build((None, None))
        if not self.target_words.built:
            self.target_words.build((None, None))
        self.encoder.build(words)
        for bridge in self.bridges:
            bridge.build((None, self.units))
        self.decoder.build(words, annotations)
        self.readout.build((None, None, self.decoder.cell.output_size + self.embedding_dim))
        if self.output_layer:
            self.output_layer.build(words)

    def configure_optimizers(self):
        return {"": zoo.optimizers.Adam(1e-3, global_clipnorm=1.0)}

    def train_step(self, batch):
        x, y = batch["source"], batch["target"]
        with tf.GradientTape() as tape:
            known = self.read(x, training=True)  # annotations h_j, eq. 7
            heard = self.mixed(known, y[:, :-1], self.own_words)  # y_{i-1}
            logits = self.teach(known, heard, training=True)  # p(y_i | y_1 ... y_{i-1}, x), eq. 4
            scores = self.scores(logits, y[:, 1:])
        self.minimize(scores["loss"], tape)
        return scores

    def read(self, source, training=False):
        mask = self.source_words.mask(source)
        words = self.drop(self.source_words(source), training=training)
        annotations, *ends = self.encoder(words, mask=mask)
        state = [bridge(end) for bridge, end in zip(self.bridges, ends, strict=True)]  # s_0
        return {"annotations": annotations, "mask": mask, "state": state}

    def teach(self, known, words, training=False):
        words = self.drop(self.target_words(words), training=training)
        hidden = self.decoder(
            words, known["annotations"], values_mask=known["mask"], initial_state=known["state"]
        )
        return self.logits(hidden, words, training)

    def start(self, known, limit):
        cell = self.decoder.cell
        memory = cell.attention.prepare_memory(known["annotations"], known["mask"])
        return cell.initial_state(memory, known["state"])

    def say(self, words, state):
        words = self.target_words(words)
        hidden, state = self.decoder.cell(words, state)
        return self.logits(hidden, words), state, self.decoder.cell.attention_weights(state)

    def logits(self, hidden, words, training=False):
        """Scores of the next word from the decoder's outputs and the words before, float32."""
        seen = self.drop(tf.concat([hidden, words], axis=-1), training=training)
        deep = self.readout(seen)  # t_i, appendix A.2.2
        if self.output_layer is None:
            return self.target_words.logits(deep)
        return tf.cast(self.output_layer(deep), tf.float32)

    def call(self, source, training=False):
        return self.read(tf.cast(source, tf.int32), training)["annotations"]
