"""The models of words without the zoo: as TensorFlow's tutorials write them, and Keras' way.

- "tf.function loop", as in the tutorials "Neural machine translation with attention" and "Image
  captioning with visual attention", until 2022: a Python loop over the words, in which a decoder
  asks an attention that projects its keys anew each time, under one `@tf.function`.
- "keras fit", as in those since: all words at once and trained by `fit`, here by `layers.RNN` over
  a cell, with the keys and the output layer outside of its loop. (Their own attention comes after
  the recurrent layer, which is another model.)

Both have the layers of the zoo's models, and three gifts to the tutorials: a `GRUCell` where they
call a GRU layer for a single word, greedy decoding of whole batches, and gradients of the tables
of words made dense, or else Keras' Adam would square them slice by slice.
"""

import keras
import tensorflow as tf
from keras import layers

from benchmarks.speed.synthetic_data import START
from benchmarks.speed.tf_images import Metered
from benchmarks.speed.variants import SIGHT

# The networks.


class BahdanauAttention(layers.Layer):
    """The tutorials' attention; `look` is the half of it that depends on the query."""

    def __init__(self, units):
        super().__init__()
        self.score = layers.Dense(1, use_bias=False)
        self.query = layers.Dense(units, use_bias=False)
        self.key = layers.Dense(units)

    def call(self, query, values):
        return self.look(query, self.key(values), values)

    def look(self, query, keys, values):
        score = self.score(tf.nn.tanh(self.query(query)[:, None] + keys))
        return tf.reduce_sum(tf.nn.softmax(score, axis=1) * values, axis=1)


class Network:
    """What both models share: one word at a time. `parts` are its layers in the zoo's order.

    A subclass says what it reads: source -> (annotations, state before the first word), how what
    it sees is gated, and how it scores words: (vectors of those before, outputs, contexts), of one
    step or of all, -> logits.
    """

    def __init__(self, vocabulary, embedding_dim, units):
        self.units = units
        self.words = layers.Embedding(vocabulary, embedding_dim)
        self.gru, self.attention = layers.GRUCell(units), BahdanauAttention(units)
        self.output_layer = layers.Dense(vocabulary)

    @property
    def weights(self):
        return [weight for part in self.parts for weight in part.weights]

    def built(self, source):
        """Itself, with all its weights."""
        annotations, hidden = self.read(source)
        self.step(tf.zeros(len(source), tf.int32), hidden, annotations)
        return self

    def step(self, words, hidden, annotations):
        """The tutorials' decoder: (logits, state) after a word."""
        x = self.words(words)
        context = self.gated(hidden, self.attention(hidden, annotations))
        output, [hidden] = self.gru(tf.concat([x, context], -1), [hidden])
        return self.logits(x, output, context), hidden


class Seq2Seq(Network):
    """The translator's: reads in both directions."""

    def __init__(self, source_vocabulary, target_vocabulary, embedding_dim, units):
        super().__init__(target_vocabulary, embedding_dim, units)
        self.source_words = layers.Embedding(source_vocabulary, embedding_dim)
        gru = layers.GRU(units // 2, return_sequences=True, return_state=True)
        self.encoder = layers.Bidirectional(gru)
        self.bridge = layers.Dense(units, activation="tanh")
        self.readout = layers.Dense(embedding_dim, activation="tanh")
        self.parts = [self.source_words, self.words, self.encoder, self.bridge]
        self.parts += [self.gru, self.attention, self.readout, self.output_layer]
        self.built(tf.zeros((1, 1), tf.int32))

    def read(self, source):
        annotations, *ends = self.encoder(self.source_words(source))
        return annotations, self.bridge(tf.concat(ends, -1))

    def gated(self, hidden, context):
        return context

    def logits(self, x, output, context):
        return self.output_layer(self.readout(tf.concat([output, context, x], -1)))


class Captioning(Network):
    """The captioner's: one dense layer sees features, as in the tutorial; a gate, as in the zoo."""

    def __init__(self, caption_vocabulary, image_shape, embedding_dim, units):
        super().__init__(caption_vocabulary, embedding_dim, units)
        self.sight = layers.Dense(SIGHT, activation="relu")
        self.start = layers.Dense(units, activation="tanh")
        self.gate = layers.Dense(1, activation="sigmoid")
        self.readout = layers.Dense(embedding_dim)
        self.parts = [self.sight, self.words, self.start, self.gru]
        self.parts += [self.attention, self.gate, self.readout, self.output_layer]
        self.built(tf.zeros((1, *image_shape)))

    def read(self, source):
        _, rows, columns, channels = source.shape
        annotations = self.sight(tf.reshape(source, (-1, rows * columns, channels)))
        return annotations, self.start(tf.reduce_mean(annotations, 1))

    def gated(self, hidden, context):
        return self.gate(hidden) * context

    def logits(self, x, output, context):
        return self.output_layer(x + self.readout(tf.concat([output, context], -1)))


# The loss of a step or of all, training, decoding.


def masked(words, logits):
    """The tutorials' loss, a mean over all but padding."""
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=words, logits=logits)
    mask = tf.cast(words != 0, tf.float32)
    return tf.reduce_sum(mask * entropy) / tf.reduce_sum(mask)


def update(model, loss, tape):
    weights = model.network.weights
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))


def taught(model, batch):
    """The tutorials' training step."""
    source, target = batch
    steps, loss = target.shape[1] - 1, 0.0
    with tf.GradientTape() as tape:
        annotations, hidden = model.network.read(source)
        for t in range(steps):
            logits, hidden = model.network.step(target[:, t], hidden, annotations)
            loss += masked(target[:, t + 1], logits) / steps
    update(model, loss, tape)
    return {"loss": loss}


def said(model, source, max_length):
    """The most probable word, again and again: ids [b, limit]."""
    annotations, hidden = model.network.read(source)
    words, found = tf.fill([len(source)], START), []
    for _ in range(max_length):
        logits, hidden = model.network.step(words, hidden, annotations)
        words = tf.argmax(logits, -1, tf.int32)
        found.append(words)
    return tf.stack(found, 1)


class Tutorial:
    """A network, an optimizer, and two compiled loops."""

    def __init__(self, network):
        self.network, self.optimizer = network, keras.optimizers.Adam(1e-3)

    @tf.function
    def train_step(self, batch):
        return taught(self, batch)

    @tf.function
    def generate(self, source, max_length):
        return said(self, source, max_length)


class Stepwise(Tutorial):
    """The same with a compiled step: what words have in common is computed for each of them."""

    def __init__(self, network):
        super().__init__(network)
        network.read, network.step = tf.function(network.read), tf.function(network.step)

    def generate(self, source, max_length):
        return said(self, source, max_length)


class AttentionCell(layers.Layer):
    """A step of a network for `layers.RNN`: what it looks at has to be put into it before."""

    def __init__(self, network):
        super().__init__()
        self.network, self.state_size = network, network.units
        self.keys = self.values = None

    def call(self, x, states):
        context = self.network.attention.look(states[0], self.keys, self.values)
        context = self.network.gated(states[0], context)
        output, states = self.network.gru(tf.concat([x, context], -1), states)
        return tf.concat([output, context], -1), states


class AllAtOnce(Metered):
    """A network for `fit`: what needs no state is outside of the loop."""

    def __init__(self, network):
        super().__init__(["loss"])
        self.network, self.cell = network, AttentionCell(network)
        self.rnn = layers.RNN(self.cell, return_sequences=True)
        self.compile(optimizer=keras.optimizers.Adam(1e-3))

    def train_step(self, batch):
        source, target = batch
        with tf.GradientTape() as tape:
            annotations, hidden = self.network.read(source)
            self.cell.keys, self.cell.values = self.network.attention.key(annotations), annotations
            x = self.network.words(target[:, :-1])
            output, context = tf.split(self.rnn(x, [hidden]), [self.network.units, -1], -1)
            loss = masked(target[:, 1:], self.network.logits(x, output, context))
        update(self, loss, tape)
        return self.tracked({"loss": loss})


def styles(**ways):
    """Style -> model -> factory."""
    networks = {"seq2seq": Seq2Seq, "captioning": Captioning}

    def make(way, network):
        return lambda **settings: way(network(**settings))

    return {
        style: {name: make(way, network) for name, network in networks.items()}
        for style, way in ways.items()
    }


STYLES = styles(
    **{"tf.function loop": Tutorial, "tf.function step": Stepwise, "keras fit": AllAtOnce}
)
