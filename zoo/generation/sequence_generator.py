"""Base class of models that generate text: p(tokens | source), one token at a time.

A subclass defines how a source is encoded and how tokens are decoded: training needs `encode` and
`decode`, generation needs `encode`, `initial_state` and `decode_step`. `zoo.Translator` generates
from texts, `zoo.Captioner` from images.
"""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from blocks.token_cross_entropy import cross_entropy
from zoo import text, threads
from zoo.checks import check_flags, check_numbers, check_optional_numbers
from zoo.errors import BatchError
from zoo.generation import decoding
from zoo.generation.decoding_checks import LENGTH_PENALTY, check_options, check_size
from zoo.generation.text_kind import TextKind
from zoo.generation.vocabularies import Vocabularies
from zoo.model import Model
from zoo.model.method_arguments import convert_feature, drop_rows, zero_row

_SMALLEST_MICRO_BATCH = 8  # sources


class SequenceGenerator(TextKind, Vocabularies, Model):
    """Base of translation and captioning models.

    A batch has two features: `input_feature` is the source, `target_feature` the text to generate:
    ids, int32 [b, t], between START and END, zeros at the end of a row.
    """

    input_feature: str
    target_feature = "target"

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        # Without autograph, errors are raised unchanged.
        self._compiled_generate = tf.function(
            self._generate, autograph=False, reduce_retracing=True
        )

    # Methods of a subclass.

    def encode(self, source: tf.Tensor, training: bool = False) -> Any:
        """The encoded sources: a nest of tensors, batch first."""
        raise NotImplementedError

    def decode(
        self, encoded: Any, tokens: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Teacher forcing: (logits, attention weights) of all steps.

        Args:
            encoded: from `encode`.
            tokens: int32 [b, t], the decoder inputs, from START.

        Returns logits, float32 [b, t, V], of the token after each of `tokens`, and weights
        [b, t, s] over the s positions of the source.
        """
        raise NotImplementedError

    def initial_state(self, encoded: Any, max_length: int | tf.Tensor) -> Any:
        """The decoder state before the first of at most `max_length` tokens: a nest of tensors."""
        raise NotImplementedError

    def decode_step(self, tokens: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any, tf.Tensor]:
        """One step: (logits [b, V], next state, attention weights [b, s]).

        Args:
            tokens: int32 [b], the last token of each sequence.
        """
        raise NotImplementedError

    # Losses. `train_step` is defined by the subclass.

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch[self.input_feature]
        y = batch[self.target_feature]
        logits, weights = self.decode(self.encode(x), y[:, :-1])
        return self.token_losses(logits, y[:, 1:], weights, axis=1)

    def token_losses(
        self,
        logits: tf.Tensor,
        tokens: tf.Tensor,
        attention_weights: tf.Tensor | None = None,
        axis: int | None = None,
    ) -> dict[str, tf.Tensor]:
        """Losses of logits [b, t, V] for tokens [b, t], as means over all tokens but padding.

        `loss` is the cross entropy to a target that spreads `label_smoothing` evenly over all
        tokens (Szegedy et al., 2015, arXiv 1512.00567, section 7); `nll` is the cross entropy
        without smoothing. Both are in nats per token. `accuracy` is the fraction of tokens that
        have the highest logit.

        Args:
            attention_weights: [b, t, s], for subclasses with a penalty on them.
            axis: None for one mean over the batch, 1 for one per example.
        """
        mask = tf.cast(tokens != text.PAD, tf.float32)
        loss, nll, correct = cross_entropy(logits, tokens, self.label_smoothing)
        losses = {"loss": loss, "nll": nll, "accuracy": tf.cast(correct, tf.float32)}
        count = tf.reduce_sum(mask, axis)
        return {
            name: tf.math.divide_no_nan(tf.reduce_sum(mask * value, axis), count)
            for name, value in losses.items()
        }

    # Checks.

    def validate_source(self, source: Any) -> tf.Tensor:
        """The source argument of a method as a tensor for `encode`, checked as in a batch.

        Raises BatchError: it does not fit the model, or its texts have a length of 0.
        """
        source = convert_feature(self, self.input_feature, source)
        if source.shape[1] == 0:
            raise BatchError(
                f"{self.name} needs ids [n, length] with length >= 1 (zeros for an empty text), got"
                f" shape {tuple(source.shape)}"
            )
        return source

    # Generation.

    def generate(
        self,
        source: Any,
        num_beams: int = 1,
        max_length: int = 100,
        length_penalty: float | None = None,
        seed: Any = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        eager: bool = False,
        micro_batches: int | None = None,
    ) -> decoding.DecodingResult:
        """Generates tokens for n sources; the result's `aux` are the attention weights.

        Args:
            source: as in a batch.
            num_beams: 1 for greedy search; more for beam search.
            max_length: maximum number of tokens, END included.
            length_penalty: exponent of the length penalty in beam search; None: 0.6.
            seed: sample instead, an integer or int32[2]; the same seed gives the same tokens.
            temperature, top_k, top_p: as in `decoding.sample`; they need a `seed`.
            eager: run as plain Python, so that `decode_step` can be debugged.
            micro_batches: parts of the batch that are decoded in parallel; None: one per core if
                each operation has one thread, see `zoo.threads`. Sampling uses a single one.

        Raises UsageError: a value is invalid, or would have no effect.
        """
        sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        check_numbers(max_length=max_length)
        check_flags(eager=eager)
        check_optional_numbers(micro_batches=micro_batches)
        check_options(num_beams, length_penalty, seed, micro_batches, **sampling)
        source = self.validate_source(source)
        size = source.shape[0]  # unknown while a graph is exported
        check_size(size or 1, num_beams, max_length, self.vocabulary_sizes[self.target_feature])
        if micro_batches is None:
            parallel = threads.parallel_ops()
            micro_batches = 1 if eager else min(parallel, (size or 1) // _SMALLEST_MICRO_BATCH)
        micro_batches = min(max(micro_batches, 1), size or 1) if seed is None else 1
        if seed is not None:
            seed = self.as_seed(seed)
            sampling["temperature"] = 1.0 if temperature is None else temperature
        if num_beams > 1 and length_penalty is None:
            length_penalty = LENGTH_PENALTY
        numbers = {"max_length": max_length, "length_penalty": length_penalty, **sampling}
        if tf.executing_eagerly():  # as tensors, so that other numbers cause no retracing
            numbers = {name: _as_tensor(name, value) for name, value in numbers.items()}
        generate = self._generate if eager else self._compiled_generate
        rows = zero_row(source) if size == 0 else source
        result = generate(rows, int(micro_batches), seed, int(num_beams), *numbers.values())
        return drop_rows(result) if size == 0 else result

    def _generate(
        self, source: tf.Tensor, micro_batches: int, *options: Any
    ) -> decoding.DecodingResult:
        """The compiled part of `generate`: all micro-batches, in parallel."""
        n = tf.shape(source)[0]
        bounds = [n * i // micro_batches for i in range(micro_batches + 1)]
        results = [
            self._generate_micro_batch(source[i:j], *options) for i, j in itertools.pairwise(bounds)
        ]
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *results)

    def _generate_micro_batch(
        self,
        source: tf.Tensor,
        seed: Any,
        num_beams: int,
        max_length: Any,
        length_penalty: Any,
        *sampling: Any,
    ) -> decoding.DecodingResult:
        """The `decoding.DecodingResult` of one micro-batch."""
        ids = tf.range(self.vocabulary_sizes[self.target_feature])
        forbidden = tf.where((ids == text.PAD) | (ids == text.START), decoding.NEG_INF, 0.0)

        def step(tokens: tf.Tensor, state: Any) -> tuple:
            logits, state, weights = self.decode_step(tokens, state)
            return tf.cast(logits, tf.float32) + forbidden, state, weights

        state = self.initial_state(self.encode(source), max_length)
        task = step, state, text.START, text.END, max_length
        if seed is not None:
            temperature, top_k, top_p = sampling
            return decoding.sample(*task, temperature, top_k, top_p, seed)
        if num_beams == 1:
            return decoding.greedy(*task)
        return decoding.beam_search(*task, num_beams, length_penalty)

    def attention_weights(self, source: Any, target: Any) -> tf.Tensor:
        """The attention weights [n, t, s] for targets [n, t]: ids without START."""
        encoded = self.encode(self.validate_source(source))
        state = self.initial_state(encoded, target.shape[1])
        tokens = tf.fill(len(target), text.START)
        steps = []
        for next_tokens in tf.unstack(tf.constant(target), axis=1):
            _, state, weights = self.decode_step(tokens, state)
            steps.append(tf.cast(weights, tf.float32))
            tokens = next_tokens
        return tf.stack(steps, axis=1)

    def best_sequences(self, result: decoding.DecodingResult) -> tuple[np.ndarray, np.ndarray]:
        """The best beam of each source: (tokens [n, t], attention weights [n, t, s])."""
        tokens = result.tokens.numpy()
        weights = result.aux.numpy()
        return (tokens[:, 0], weights[:, 0]) if tokens.ndim == 3 else (tokens, weights)


def _as_tensor(name: str, value: Any) -> Any:
    """A number of `generate` as a tensor; None stays None."""
    if value is None:
        return None
    return tf.cast(value, tf.int32 if name in ("max_length", "top_k") else tf.float32)
