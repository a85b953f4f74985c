"""The text models without the zoo: as in TensorFlow's tutorials, and with `keras.Model.fit`.

- "tf.function loop", as in the tutorials "Neural machine translation with attention" and "Image
  captioning with visual attention" until 2022: a Python loop over the tokens, in which the decoder
  calls an attention that projects its keys again in each step, under one `@tf.function`.
- "keras fit", as in the tutorials since 2022: all tokens in one call, trained by `fit`; here with
  `layers.RNN` over a cell, with the keys and the output layer outside of its loop. (In those
  tutorials attention follows the recurrent layer, which is a different model.)

Both have the layers of the zoo's models. Three changes make the tutorials' models faster: a
`GRUCell` instead of calling a GRU layer for a single token, greedy decoding of whole batches, and
dense gradients of the embeddings, because Keras' Adam squares `tf.IndexedSlices` slice by slice.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from benchmarks.speed.synthetic_data import START
from benchmarks.speed.tf_images import LossTrackingModel
from benchmarks.speed.variants import ANNOTATION_DIM

# The networks.


class BahdanauAttention(layers.Layer):
    """The tutorials' attention."""

    def __init__(self, units: int):
        super().__init__()
        self.score = layers.Dense(1, use_bias=False)
        self.query = layers.Dense(units, use_bias=False)
        self.key = layers.Dense(units)

    def call(self, query: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        return self.attend(query, self.key(values), values)

    def attend(self, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """The context for a query, with keys that are already projected."""
        score = self.score(tf.nn.tanh(self.query(query)[:, None] + keys))
        return tf.reduce_sum(tf.nn.softmax(score, axis=1) * values, axis=1)


class Network:
    """Base of both networks: decodes one token at a time.

    A subclass defines `encode`: source -> (annotations, initial state); `gate_context`; `logits`
    of embeddings, cell outputs and contexts, of one step or of all steps; and `parts`, its layers
    in the zoo's order.
    """

    def __init__(self, vocabulary: int, embedding_dim: int, units: int):
        self.units = units
        self.embedding = layers.Embedding(vocabulary, embedding_dim)
        self.gru = layers.GRUCell(units)
        self.attention = BahdanauAttention(units)
        self.output_layer = layers.Dense(vocabulary)

    @property
    def weights(self) -> list[keras.Variable]:
        return [weight for part in self.parts for weight in part.weights]

    def build(self, source: tf.Tensor) -> None:
        """Creates all weights."""
        annotations, hidden = self.encode(source)
        self.step(tf.zeros(len(source), tf.int32), hidden, annotations)

    def step(
        self, tokens: tf.Tensor, hidden: tf.Tensor, annotations: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The tutorials' decoder: (logits, state) after a token."""
        x = self.embedding(tokens)
        context = self.gate_context(hidden, self.attention(hidden, annotations))
        output, [hidden] = self.gru(tf.concat([x, context], -1), [hidden])
        return self.logits(x, output, context), hidden


class Seq2Seq(Network):
    """The translation network: a bidirectional encoder."""

    def __init__(
        self, source_vocabulary: int, target_vocabulary: int, embedding_dim: int, units: int
    ):
        super().__init__(target_vocabulary, embedding_dim, units)
        self.source_embedding = layers.Embedding(source_vocabulary, embedding_dim)
        gru = layers.GRU(units // 2, return_sequences=True, return_state=True)
        self.encoder = layers.Bidirectional(gru)
        self.bridge = layers.Dense(units, activation="tanh")
        self.readout = layers.Dense(embedding_dim, activation="tanh")
        self.parts = [self.source_embedding, self.embedding, self.encoder, self.bridge]
        self.parts += [self.gru, self.attention, self.readout, self.output_layer]
        self.build(tf.zeros((1, 1), tf.int32))

    def encode(self, source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        annotations, *final_states = self.encoder(self.source_embedding(source))
        return annotations, self.bridge(tf.concat(final_states, -1))

    def gate_context(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return context

    def logits(self, x: tf.Tensor, output: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self.output_layer(self.readout(tf.concat([output, context, x], -1)))


class Captioning(Network):
    """The captioning network: one dense layer on image features, as in the tutorial; gated."""

    def __init__(
        self,
        caption_vocabulary: int,
        image_shape: tuple[int, int, int],
        embedding_dim: int,
        units: int,
    ):
        super().__init__(caption_vocabulary, embedding_dim, units)
        self.projection = layers.Dense(ANNOTATION_DIM, activation="relu")
        self.initial_state = layers.Dense(units, activation="tanh")
        self.gate = layers.Dense(1, activation="sigmoid")
        self.readout = layers.Dense(embedding_dim)
        self.parts = [self.projection, self.embedding, self.initial_state, self.gru]
        self.parts += [self.attention, self.gate, self.readout, self.output_layer]
        self.build(tf.zeros((1, *image_shape)))

    def encode(self, source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, rows, columns, channels = source.shape
        annotations = self.projection(tf.reshape(source, (-1, rows * columns, channels)))
        return annotations, self.initial_state(tf.reduce_mean(annotations, 1))

    def gate_context(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self.gate(hidden) * context

    def logits(self, x: tf.Tensor, output: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self.output_layer(x + self.readout(tf.concat([output, context], -1)))


# The loss of one step or of all steps, training, decoding.


def masked_loss(tokens: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The tutorials' loss: mean cross-entropy over all tokens but padding."""
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens, logits=logits)
    mask = tf.cast(tokens != 0, tf.float32)
    return tf.reduce_sum(mask * entropy) / tf.reduce_sum(mask)


def apply_gradients(model: Any, loss: tf.Tensor, tape: tf.GradientTape) -> None:
    """One optimizer step, with dense gradients."""
    weights = model.network.weights
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))


def teacher_forcing_step(model: Any, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The tutorials' training step."""
    source, target = batch
    steps = target.shape[1] - 1
    loss = 0.0
    with tf.GradientTape() as tape:
        annotations, hidden = model.network.encode(source)
        for t in range(steps):
            logits, hidden = model.network.step(target[:, t], hidden, annotations)
            loss += masked_loss(target[:, t + 1], logits) / steps
    apply_gradients(model, loss, tape)
    return {"loss": loss}


def greedy_decode(model: Any, source: tf.Tensor, max_length: int) -> tf.Tensor:
    """The most probable token in each step: ids [b, max_length]."""
    annotations, hidden = model.network.encode(source)
    tokens = tf.fill([len(source)], START)
    decoded = []
    for _ in range(max_length):
        logits, hidden = model.network.step(tokens, hidden, annotations)
        tokens = tf.argmax(logits, -1, tf.int32)
        decoded.append(tokens)
    return tf.stack(decoded, 1)


class TutorialModel:
    """A network, an optimizer, and two compiled loops."""

    def __init__(self, network: Network):
        self.network = network
        self.optimizer = keras.optimizers.Adam(1e-3)

    @tf.function
    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        return teacher_forcing_step(self, batch)

    @tf.function
    def generate(self, source: tf.Tensor, max_length: int) -> tf.Tensor:
        return greedy_decode(self, source, max_length)


class CompiledStepModel(TutorialModel):
    """Decoding with a compiled step in a Python loop: each step projects the keys again."""

    def __init__(self, network: Network):
        super().__init__(network)
        network.encode = tf.function(network.encode)
        network.step = tf.function(network.step)

    def generate(self, source: tf.Tensor, max_length: int) -> tf.Tensor:
        return greedy_decode(self, source, max_length)


class AttentionCell(layers.Layer):
    """A step of a network for `layers.RNN`; set `keys` and `values` before each call."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.state_size = network.units
        self.keys = self.values = None

    def call(self, x: tf.Tensor, states: Any) -> tuple[tf.Tensor, Any]:
        context = self.network.attention.attend(states[0], self.keys, self.values)
        context = self.network.gate_context(states[0], context)
        output, states = self.network.gru(tf.concat([x, context], -1), states)
        return tf.concat([output, context], -1), states


class FitModel(LossTrackingModel):
    """A network for `fit`: computations that need no state are outside of the loop."""

    def __init__(self, network: Network):
        super().__init__(["loss"])
        self.network = network
        self.cell = AttentionCell(network)
        self.rnn = layers.RNN(self.cell, return_sequences=True)
        self.compile(optimizer=keras.optimizers.Adam(1e-3))

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        source, target = batch
        with tf.GradientTape() as tape:
            annotations, hidden = self.network.encode(source)
            self.cell.keys = self.network.attention.key(annotations)
            self.cell.values = annotations
            x = self.network.embedding(target[:, :-1])
            output, context = tf.split(self.rnn(x, [hidden]), [self.network.units, -1], -1)
            loss = masked_loss(target[:, 1:], self.network.logits(x, output, context))
        apply_gradients(self, loss, tape)
        return self.update_trackers({"loss": loss})


def make_styles(**model_classes: type) -> dict[str, dict[str, Callable[..., Any]]]:
    """Style -> model -> factory, from one class for each style."""
    networks = {"seq2seq": Seq2Seq, "captioning": Captioning}

    def make_factory(model_class, network):
        return lambda **arguments: model_class(network(**arguments))

    return {
        style: {name: make_factory(model_class, network) for name, network in networks.items()}
        for style, model_class in model_classes.items()
    }


STYLES = make_styles(
    **{
        "tf.function loop": TutorialModel,
        "tf.function step": CompiledStepModel,
        "keras fit": FitModel,
    }
)
