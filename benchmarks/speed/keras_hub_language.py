"""`gpt` by the classes of keras_hub: its GPT-2 backbone, trained by `fit`, decoded with its cache.

Its activation is the approximation of GELU by tanh, and all normalizations have epsilon 1e-5: the
check of equality changes the zoo's model accordingly.
"""

from typing import Any

import keras
import keras_hub
import tensorflow as tf

from benchmarks.speed.tf_language import adamw


class HubGPT(keras_hub.models.GPT2CausalLM):
    """GPT-2 without a tokenizer."""

    def __init__(
        self,
        text_vocabulary: int,
        context_length: int,
        num_layers: int,
        hidden_dim: int,
        num_heads: int,
        dropout: float = 0.0,
    ):
        backbone = keras_hub.models.GPT2Backbone(
            vocabulary_size=text_vocabulary,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=4 * hidden_dim,
            dropout=dropout,
            max_sequence_length=context_length,
        )
        super().__init__(backbone)
        self.context_length = context_length
        self.compile(
            optimizer=adamw(self.weights),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[],
            sampler="greedy",
        )

    @property
    def network(self) -> keras.Model:
        """The model that holds all weights."""
        return self.backbone

    def train_step(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = {"token_ids": text[:, :-1], "padding_mask": tf.ones_like(text[:, :-1])}
        return super().train_step((inputs, text[:, 1:]))

    def generate(self, prompts: tf.Tensor, max_length: int) -> Any:  # type: ignore[override]
        """The most probable token in each step: ids [b, max_length]."""
        steps = prompts.shape[1]
        tokens = tf.pad(prompts, ((0, 0), (0, max_length)))
        mask = tf.sequence_mask(tf.fill(prompts.shape[:1], steps), steps + max_length)
        inputs = {"token_ids": tokens, "padding_mask": mask}
        return super().generate(inputs, stop_token_ids=None)["token_ids"][:, steps:]


STYLES = {"keras hub": {"gpt": HubGPT}}
