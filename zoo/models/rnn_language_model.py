"""Recurrent neural network based language model.

Tomas Mikolov, Martin Karafiat, Lukas Burget, Jan Cernocky, Sanjeev Khudanpur, 2010, Interspeech;
layers of LSTM: Alex Graves, "Generating Sequences With Recurrent Neural Networks", 2013, arXiv
1308.0850.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import SequenceEncoder, TokenEmbedding
from blocks.checks import fraction, one_of, positive_int

LEARNING_RATE = 2e-3
WARMUP = 100  # steps


@zoo.register("rnn_language_model")
class RNNLanguageModel(zoo.LanguageModel):
    """Layers of LSTM or GRU, with tied embeddings.

    Calling it maps ids [batch, t] to logits [batch, t, ids].

    Args:
        text_vocabulary: the number of ids, or the vocabulary.
        context_length: tokens of a block: steps of backpropagation through time.
        num_layers: number of recurrent layers.
        hidden_dim: width of the embeddings and of every layer.
        cell: "lstm" or "gru".
        dropout: fraction of features dropped during training, before each layer and the output.
        decay_steps: steps in which the learning rate falls to a tenth; it then stays there.
    """

    def __init__(
        self,
        text_vocabulary: Any = 8000,
        context_length: int = 64,
        num_layers: int = 2,
        hidden_dim: int = 256,
        cell: str = "lstm",
        dropout: float = 0.1,
        decay_steps: int = 5000,
        **kwargs: Any,
    ):
        super().__init__(text_vocabulary, context_length, **kwargs)
        self.num_layers = positive_int(num_layers, "num_layers", maximum=1000)
        self.hidden_dim = positive_int(hidden_dim, "hidden_dim")
        self.cell = one_of(cell, ("lstm", "gru"), "cell")
        self.dropout = fraction(dropout, "dropout")
        self.decay_steps = positive_int(decay_steps, "decay_steps", maximum=2**31)
        dtype = self.dtype_policy
        self.embedding = TokenEmbedding(self.vocabulary_sizes["text"], hidden_dim, dtype=dtype)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)
        self.output_dropout = keras.layers.Dropout(dropout, dtype=dtype)
        self.layer_stack = [
            SequenceEncoder(hidden_dim, cell, bidirectional=False, dtype=dtype)
            for _ in range(num_layers)
        ]

    def build(self, input_shape: tuple | None = None) -> None:
        self.embedding.build((None, None))
        for layer in self.layer_stack:
            layer.build((None, None, self.hidden_dim))

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        cosine = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, self.decay_steps, 0.1)
        rate = zoo.optimizers.WarmUp(cosine, WARMUP)
        return {"": zoo.optimizers.Adam(rate, global_clipnorm=1.0)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["text"]
        with tf.GradientTape() as tape:
            logits = self(x[:, :-1], training=True)
            losses = self.token_losses(logits, x[:, 1:])
        self.minimize(losses["loss"], tape)
        return losses

    def call(self, text: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.embedding.logits(self._run_layers(text, training)[0])

    def _run_layers(self, tokens: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, list]:
        """(features [b, t, hidden_dim], states of all layers after the last step)."""
        x = self.embedding(tokens)
        states = []
        for layer in self.layer_stack:
            x, *state = layer(self.dropout_layer(x, training=training))
            states.append(state)
        return self.output_dropout(x, training=training), states

    # One token at a time.

    @property
    def max_context(self) -> None:
        return None

    def initial_state(self, batch_size: int | tf.Tensor) -> list[list[tf.Tensor]]:
        return [layer.initial_state(batch_size) for layer in self.layer_stack]

    def prefill(self, tokens: tf.Tensor) -> list[list[tf.Tensor]]:
        return self._run_layers(tokens)[1]

    def decode_step(
        self, tokens: tf.Tensor, state: list[list[tf.Tensor]]
    ) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
        x = self.embedding(tokens)
        states = []
        for layer, layer_state in zip(self.layer_stack, state, strict=True):
            x, new_state = layer.step(x, layer_state)
            states.append(new_state)
        return self.embedding.logits(x), states
