"""Attention Is All You Need.

Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones, Aidan N. Gomez, Lukasz
Kaiser, Illia Polosukhin, 2017, arXiv 1706.03762; normalized before each sublayer: Ruibin Xiong et
al., "On Layer Normalization in the Transformer Architecture", 2020, arXiv 2002.04745.
"""

import keras
import tensorflow as tf

import zoo
from blocks import SinusoidalPositions, TokenEmbedding
from blocks import TransformerDecoderLayer as DecoderLayer
from blocks import TransformerEncoderLayer as EncoderLayer
from blocks.checks import fraction, fraction_or_schedule, one_of, positive_int
from zoo.optimizers import InverseSquareRoot

WARMUP = 2000  # steps; the paper's larger model on larger data takes 4000


@zoo.register("transformer")
class Transformer(zoo.Translator):
    """Layers of attention read a sentence; layers of attention say another, word by word.

    Calling it maps source ids [batch, s] to annotations [batch, s, units], zeros at padding.

    Args:
        source_vocabulary, target_vocabulary: how many ids there are, or the vocabulary.
        units: width of a word's vector and of every layer, a multiple of num_heads.
        hidden_units: width inside the feed-forward networks.
        num_heads: heads of each attention.
        encoder_layers, decoder_layers: how many there are.
        tied: which tables of vectors are one: None, "output" (the target words' and the output
            layer's), or "all" (the source words' too, for a joint vocabulary).
        dropout: share of the features dropped while training, of words and of each sublayer.
        label_smoothing: share of the target distribution that goes to all words alike.
        own_words: share of the words before that are not the right ones but the model's own
            guesses; a number, or a callable of the step: scheduled sampling.
    """

    def __init__(
        self,
        source_vocabulary=8000,
        target_vocabulary=8000,
        units=128,
        hidden_units=256,
        num_heads=4,
        encoder_layers=4,
        decoder_layers=4,
        tied="output",
        dropout=0.3,
        label_smoothing=0.1,
        own_words=0.0,
        **kwargs,
    ):
        super().__init__(source_vocabulary, target_vocabulary, **kwargs)
        self.units = positive_int(units, "units")
        self.hidden_units = positive_int(hidden_units, "hidden_units")
        self.num_heads = positive_int(num_heads, "num_heads")
        self.encoder_layers = positive_int(encoder_layers, "encoder_layers", maximum=1000)
        self.decoder_layers = positive_int(decoder_layers, "decoder_layers", maximum=1000)
        self.tied = one_of(tied, (None, "output", "all"), "tied")
        self.dropout = fraction(dropout, "dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.own_words = fraction_or_schedule(own_words, "own_words")
        if tied == "all" and self.source_vocabulary != self.target_vocabulary:
            raise ValueError("tied='all' needs one vocabulary for both sides")

        dtype = self.dtype_policy

        def table(size):
            return TokenEmbedding(size, units, scaled=True, dtype=dtype)

        def layers(kind, count):
            return [
                kind(units, num_heads, hidden_units, dropout, dtype=dtype) for _ in range(count)
            ]

        self.source_words = table(self.sizes["source"])
        self.target_words = self.source_words if tied == "all" else table(self.sizes["target"])
        self.positions = SinusoidalPositions(dtype=dtype)
        self.drop = keras.layers.Dropout(dropout, dtype=dtype)
        self.encoder = layers(EncoderLayer, encoder_layers)
        self.encoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        self.decoder = layers(DecoderLayer, decoder_layers)
        self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype)
        size = self.sizes["target"]
        self.output_layer = None if tied else keras.layers.Dense(size, dtype=dtype)

    def build(self, input_shape=None):
        words = (None, None, self.units)
        self.source_words.build((None, None))
        if not self.target_words.built:
            self.target_words.build((None, None))
        for layer in (self.positions, *self.encoder, self.encoder_norm, self.decoder_norm):
            layer.build(words)
        for layer in self.decoder:
            layer.build(words, words)
        if self.output_layer:
            self.output_layer.build(words)

    def configure_optimizers(self):
        rate = InverseSquareRoot((self.units * WARMUP) ** -0.5, WARMUP)  # eq. 3
        how = {"beta_2": 0.98, "epsilon": 1e-9, "use_ema": True, "ema_momentum": 0.999}
        return {"": zoo.optimizers.Adam(rate, **how)}

    def train_step(self, batch):
        x, y = batch["source"], batch["target"]
        with tf.GradientTape() as tape:
            known = self.read(x, training=True)  # z, section 3.1
            heard = self.mixed(known, y[:, :-1], self.own_words)  # outputs, shifted right
            logits = self.teach(known, heard, training=True)
            scores = self.scores(logits, y[:, 1:])
        self.minimize(scores["loss"], tape)
        return scores

    def read(self, source, training=False):
        mask = self.source_words.mask(source)
        x = self.drop(self.positions(self.source_words(source)), training=training)
        for layer in self.encoder:
            x = layer(x, mask=mask, training=training)
        x = self.encoder_norm(x)
        return {"values": tf.where(mask[..., None], x, tf.zeros((), x.dtype)), "mask": mask}

    def teach(self, known, words, training=False):
        x = self.drop(self.positions(self.target_words(words)), training=training)
        for layer in self.decoder:
            x = layer(x, known["values"], values_mask=known["mask"], training=training)
        return self.logits(x)

    def start(self, known, limit):
        batch = tf.shape(known["mask"])[0]
        return {
            "taken": tf.zeros((batch,), tf.int32),  # steps
            "memories": [x.prepare_memory(known["values"], known["mask"]) for x in self.decoder],
            "caches": [x.start(batch, limit) for x in self.decoder],
        }

    def say(self, words, state):
        taken = tf.reduce_max(state["taken"])
        x = self.positions(self.target_words(words[:, None]), start=taken)[:, 0]
        caches, looks = [], []
        layers = zip(self.decoder, state["memories"], state["caches"], strict=True)
        for layer, memory, cache in layers:
            x, weights, cache = layer.step(x, memory, cache, taken)
            caches.append(cache)
            looks.append(tf.reduce_mean(weights, axis=1))  # over the heads
        weights = tf.reduce_mean(tf.stack(looks), axis=0)  # over the layers
        return self.logits(x), state | {"taken": state["taken"] + 1, "caches": caches}, weights

    def logits(self, x):
        """Scores of the next word from the last layer's outputs, float32."""
        x = self.decoder_norm(x)
        if self.output_layer is None:
            return self.target_words.logits(x)
        return tf.cast(self.output_layer(x), tf.float32)

    def call(self, source, training=False):
        return self.read(tf.cast(source, tf.int32), training)["values"]
