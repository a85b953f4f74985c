"""Language Models are Unsupervised Multitask Learners (GPT-2).

Alec Radford, Jeffrey Wu, Rewon Child, David Luan, Dario Amodei, Ilya Sutskever, 2019; first:
"Improving Language Understanding by Generative Pre-Training", Alec Radford, Karthik Narasimhan, Tim
Salimans, Ilya Sutskever, 2018.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks import CausalTransformerLayer, LearnedPositions, TokenEmbedding, key_value_cache
from blocks.checks import fraction, positive_int

LEARNING_RATE = 1e-3  # the paper's 2.5e-4 is for a model a hundred times larger
WARMUP = 100  # steps


@zoo.register("gpt")
class GPT(zoo.LanguageModel):
    """Decoder-only Transformer: pre-norm, learned positions, tied embeddings.

    Calling it maps ids [batch, t], with t up to context_length, to logits [batch, t, ids].

    Args:
        text_vocabulary: the number of ids, or the vocabulary.
        context_length: tokens that a prediction can depend on.
        num_layers: number of layers.
        hidden_dim: width of the embeddings and of every layer, a multiple of num_heads.
        num_heads: heads of each attention.
        dropout: fraction of features dropped during training, of embeddings and of each sublayer.
        decay_steps: steps in which the learning rate falls to a tenth; it then stays there.
    """

    micro_batches = 2

    def __init__(
        self,
        text_vocabulary: Any = 8000,
        context_length: int = 64,
        num_layers: int = 4,
        hidden_dim: int = 128,
        num_heads: int = 4,
        dropout: float = 0.1,
        decay_steps: int = 5000,
        **kwargs: Any,
    ):
        super().__init__(text_vocabulary, context_length, **kwargs)
        self.num_layers = positive_int(num_layers, "num_layers", maximum=1000)
        self.hidden_dim = positive_int(hidden_dim, "hidden_dim")
        self.num_heads = positive_int(num_heads, "num_heads")
        self.dropout = fraction(dropout, "dropout")
        self.decay_steps = positive_int(decay_steps, "decay_steps", maximum=2**31)
        dtype = self.dtype_policy
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.embedding = TokenEmbedding(
            self.vocabulary_sizes["text"], hidden_dim, embeddings_initializer=normal, dtype=dtype
        )
        self.positions = LearnedPositions(context_length, dtype=dtype)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)
        self.layer_stack = [
            CausalTransformerLayer(
                hidden_dim, num_heads, 4 * hidden_dim, dropout, activation="gelu", dtype=dtype
            )
            for _ in range(num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        shape = (None, None, self.hidden_dim)
        self.embedding.build((None, None))
        for layer in (self.positions, *self.layer_stack, self.norm):
            layer.build(shape)
        for layer in self.layer_stack:
            self._initialize(layer)

    def _initialize(self, layer: CausalTransformerLayer) -> None:
        """Section 2.3: N(0, 0.02); divided by sqrt(number of sublayers) before a residual sum."""
        residual = [layer.self_attention.output_layer.kernel, layer.feed_forward.layers[-1].kernel]
        for kernel in layer.trainable_variables:
            if kernel.name == "kernel":
                scale = (2 * self.num_layers) ** -0.5 if any(kernel is x for x in residual) else 1.0
                normal = keras.initializers.RandomNormal(stddev=0.02 * scale)
                kernel.assign(normal(kernel.shape, kernel.dtype))

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        cosine = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, self.decay_steps, 0.1)
        rate = zoo.optimizers.WarmUp(cosine, WARMUP)
        options = {"beta_2": 0.99, "weight_decay": 0.1, "global_clipnorm": 1.0}
        return {"": zoo.optimizers.AdamW(rate, **options)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["text"]
        with tf.GradientTape() as tape:
            logits = self(x[:, :-1], training=True)
            losses = self.token_losses(logits, x[:, 1:])
        self.minimize(losses["loss"], tape)
        return losses

    def call(self, text: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = self.positions(self.embedding(text))
        x = self.dropout_layer(x, training=training)
        for layer in self.layer_stack:
            x = layer(x, training=training)
        return self.embedding.logits(self.norm(x))

    # One token at a time.

    @property
    def max_context(self) -> int:
        return self.context_length

    def initial_state(self, batch_size: int | tf.Tensor) -> dict[str, Any]:
        return key_value_cache.initial_state(
            [layer.initial_state(batch_size) for layer in self.layer_stack]
        )

    def state_shapes(self, state: dict[str, Any]) -> dict[str, Any]:
        return key_value_cache.state_shapes(state)

    def prefill(self, tokens: tf.Tensor) -> dict[str, Any]:
        x = self.positions(self.embedding(tokens))
        return key_value_cache.prefill_layers(self.layer_stack, x)[1]

    def decode_step(
        self, tokens: tf.Tensor, state: dict[str, Any]
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        start = key_value_cache.current_position(state)
        x = self.positions(self.embedding(tokens[:, None]), start=start)[:, 0]
        x, _, state = key_value_cache.step_layers(self.layer_stack, x, state)
        return self.embedding.logits(self.norm(x)), state
