"""Show, Attend and Tell: Neural Image Caption Generation with Visual Attention.

Kelvin Xu, Jimmy Ba, Ryan Kiros, Kyunghyun Cho, Aaron Courville, Ruslan Salakhutdinov, Richard
Zemel, Yoshua Bengio, 2015, arXiv 1502.03044; the deterministic "soft" attention, section 4.2.
"""

import keras
import tensorflow as tf

import zoo
from blocks import AdditiveAttention, AttentionDecoder, Downsample, Stack, TokenEmbedding
from blocks.checks import boolean, fraction, int_tuple, non_negative_float, one_of, positive_int
from blocks.recurrent import CELLS, GatedAttentionCell


@zoo.register("captioning")
class Captioning(zoo.Captioner):
    """Convolutions see an image; a decoder looks at a place of it before each word that it says.

    Calling it maps images [batch, h, w, c] to annotations [batch, places, channels].

    Args:
        caption_vocabulary: how many ids there are, or the vocabulary.
        image_shape: height, width and channels of what is in a batch.
        encoder: what makes an image a map of annotations: the channels of pairs of convolutions
            that halve it; a layer, such as a Keras network without its top; or None: a batch holds
            such maps already, as "features".
        embedding_dim: width of a word's vector.
        units: width of the decoder's state and of the attention.
        cell: "lstm" or "gru".
        tied: whether the words' table of vectors is that of the output layer too.
        dropout: share of the features dropped while training, of words and of the decoder's output.
        annotation_dropout: share of the channels dropped, at all places of an image alike.
        label_smoothing: share of the target distribution that goes to all words alike.
        doubly_stochastic: weight, lambda, of the wish that every place is looked at as often.
    """

    micro_batches = 2

    def __init__(
        self,
        caption_vocabulary=8000,
        image_shape=(48, 48, 3),
        encoder=(32, 64, 128),
        embedding_dim=256,
        units=512,
        cell="lstm",
        tied=False,
        dropout=0.5,
        annotation_dropout=0.0,
        label_smoothing=0.0,
        doubly_stochastic=1.0,
        **kwargs,
    ):
        super().__init__(caption_vocabulary, image_shape, **kwargs)
        self.input_feature = "features" if encoder is None else "image"
        own = isinstance(encoder, list | tuple)
        if not (own or encoder is None or isinstance(encoder, keras.Layer)):
            raise ValueError(f"encoder must be channels, a layer or None, got {encoder!r}")
        self.encoder = int_tuple(encoder, "encoder") if own else encoder
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.units = positive_int(units, "units")
        self.cell = one_of(cell, CELLS, "cell")
        self.tied = boolean(tied, "tied")
        self.dropout = fraction(dropout, "dropout")
        self.annotation_dropout = fraction(annotation_dropout, "annotation_dropout")
        self.label_smoothing = fraction(label_smoothing, "label_smoothing")
        self.doubly_stochastic = non_negative_float(doubly_stochastic, "doubly_stochastic")

        dtype, dense, drop = self.dtype_policy, keras.layers.Dense, keras.layers.Dropout
        twice = {"repeats": 2, "norm": "batch", "dtype": dtype}  # a place must see its neighbours
        layers = [Downsample(n, **twice) for n in encoder] if own else filter(None, [encoder])
        channels = drop(annotation_dropout, noise_shape=(None, 1, 1, None), dtype=dtype)
        self.annotate = Stack([*layers, channels], dtype=dtype)
        self.words = TokenEmbedding(self.sizes["caption"], embedding_dim, dtype=dtype)
        self.drop = drop(dropout, dtype=dtype)
        states = 2 if cell == "lstm" else 1
        self.starts = [dense(units, activation="tanh", dtype=dtype) for _ in range(states)]
        step = GatedAttentionCell(
            CELLS[cell](units, dtype=dtype), AdditiveAttention(units, dtype=dtype), dtype=dtype
        )
        self.decoder = AttentionDecoder(step, dtype=dtype)
        self.readout = dense(embedding_dim, dtype=dtype)
        self.output_layer = None if tied else dense(self.sizes["caption"], dtype=dtype)

    def build(self, input_shape=None):
        words = (None, None, self.embedding_dim)
        self.annotate.build((None, *self.image_shape))
        *_, channels = self.map_of(self.annotate)
        self.words.build((None, None))
        for start in self.starts:
            start.build((None, channels))
        self.decoder.build(words, (None, None, channels))
        self.readout.build((None, None, self.decoder.cell.output_size))
        if self.output_layer:
            self.output_layer.build(words)

    def configure_optimizers(self):
        return {"": zoo.optimizers.Adam(4e-4, global_clipnorm=5.0)}

    def train_step(self, batch):
        x, y = batch[self.input_feature], batch["caption"]
        with tf.GradientTape() as tape:
            known = self.read(x, training=True)  # annotations a_i, section 3.1.1; h_0, c_0
            logits, alpha = self.tell(known, y[:, :-1], training=True)  # eq. 7; eq. 5
            found = self.objective(logits, alpha, y[:, 1:])  # L_d, eq. 14
        self.minimize(found["loss"], tape)
        return found

    def eval_step(self, batch):
        y = batch["caption"]
        logits, alpha = self.tell(self.read(batch[self.input_feature]), y[:, :-1])
        return self.objective(logits, alpha, y[:, 1:], axis=1)

    def objective(self, logits, alpha, words, axis=None):
        """The `scores`, and `uneven`: mean over places of (1 - sum of looks)^2."""
        found = self.scores(logits, words, axis)
        said = tf.cast(self.words.mask(words), tf.float32)[..., None]
        looks = tf.reduce_sum(said * tf.cast(alpha, tf.float32), axis=1)
        found["uneven"] = tf.reduce_mean((1 - looks) ** 2, axis)
        found["loss"] += self.doubly_stochastic * found["uneven"]
        return found

    def read(self, source, training=False):
        a = self.annotate(tf.cast(source, self.compute_dtype), training=training)
        a = tf.reshape(a, (-1, a.shape[1] * a.shape[2], a.shape[3]))
        mean = tf.reduce_mean(a, axis=1)
        return {"annotations": a, "state": [start(mean) for start in self.starts]}

    def tell(self, known, words, training=False):
        """(logits [b, t, V], weights [b, t, places]) while it hears words [b, t]."""
        words = self.drop(self.words(words), training=training)
        hidden, alpha = self.decoder(
            words, known["annotations"], initial_state=known["state"], return_weights=True
        )
        return self.logits(hidden, words, training), alpha

    def teach(self, known, words, training=False):
        return self.tell(known, words, training)[0]

    def start(self, known, limit):
        cell = self.decoder.cell
        return cell.initial_state(
            cell.attention.prepare_memory(known["annotations"]), known["state"]
        )

    def say(self, words, state):
        words = self.words(words)
        hidden, state = self.decoder.cell(words, state)
        return self.logits(hidden, words), state, self.decoder.cell.attention_weights(state)

    def logits(self, hidden, words, training=False):
        """Scores of the next word from E y, h and z: L_o (E y + L_h h + L_z z), eq. 7; float32."""
        deep = words + self.readout(self.drop(hidden, training=training))
        if self.output_layer is None:
            return self.words.logits(deep)
        return tf.cast(self.output_layer(deep), tf.float32)

    @property
    def map_shape(self):
        return self.map_of(self.annotate)[:2]

    def call(self, images, training=False):
        return self.read(images, training)["annotations"]
