"""Base class of language models: p(next token | previous tokens)."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from blocks.token_cross_entropy import cross_entropy
from zoo import text
from zoo.checks import check_numbers
from zoo.errors import BatchError, UsageError, short_repr
from zoo.generation.continuation import Continuation, SamplingOptions
from zoo.generation.language_model_kind import LanguageModelKind
from zoo.generation.stop_strings import cut, stop_list, stream_pieces
from zoo.generation.text_scores import TextScores, score_texts
from zoo.generation.vocabularies import Vocabularies
from zoo.log import log_message
from zoo.model import Model

BATCH = 64  # sequences that are generated at a time


class LanguageModel(LanguageModelKind, Vocabularies, Model):
    """Base of language models. Batches hold "text", int32 [b, t]: ids of a running text.

    A text begins after END, which also separates documents. Calling the model maps ids [b, t] to
    the logits of the token after each of them, float32 [b, t, V]. A subclass also defines
    `initial_state`, `prefill` and `decode_step`, which generate one token at a time.

    Args:
        text_vocabulary: the number of ids; or a `zoo.text` vocabulary, or the text of its
            `to_json`. A vocabulary is stored as that text, so a saved model contains it.
        context_length: ids in a block of training, and in a window of evaluation.
    """

    input_feature = "text"
    target_feature = "text"

    def __init__(
        self,
        text_vocabulary: int | str | text.Vocabulary,
        context_length: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_numbers(context_length=context_length)
        self.set_vocabularies(text=text_vocabulary)
        self.context_length = context_length
        self.continuation = Continuation(self)

    # Methods of a subclass.

    @property
    def max_context(self) -> int | None:
        """The number of previous tokens that a prediction can depend on; None: all."""
        raise NotImplementedError

    def initial_state(self, batch_size: int | tf.Tensor) -> Any:
        """The state before the first token: a nest of tensors, batch first."""
        raise NotImplementedError

    def prefill(self, tokens: tf.Tensor) -> Any:
        """The state after tokens [b, t], int32, with t of 1 or more."""
        raise NotImplementedError

    def decode_step(self, tokens: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        """One step: (logits [b, V] of the token after `tokens` [b], next state)."""
        raise NotImplementedError

    def state_shapes(self, state: Any) -> Any:
        """The static shapes of a state during generation; an axis that grows is None."""
        return tf.nest.map_structure(lambda x: x.shape, state)

    # Checks.

    def check_batch(self, batch: Any) -> None:
        """`zoo.Model.check_batch`; also the width, and the weights of targets if there are any."""
        super().check_batch(batch)
        width = self._check_width(batch["text"], 1)
        if "weight" in batch:
            weight = tf.convert_to_tensor(batch["weight"])
            spec = tf.TensorSpec((None, width and width - 1), tf.float32)
            if not spec.is_compatible_with(weight):
                raise BatchError(
                    f"{self.name} expects 'weight' as float32 of shape {tuple(spec.shape)}, one for"
                    f" each target, got {weight.dtype.name} {tuple(weight.shape)}"
                )
            self.check_range("'weight' of 0 or more", weight, 0, tf.float32.max)

    def cast_and_check_inputs(self, inputs: Any) -> Any:
        inputs = super().cast_and_check_inputs(inputs)
        self._check_width(inputs["text"] if isinstance(inputs, dict) else inputs, 0)
        return inputs

    def _check_width(self, ids: Any, targets: int) -> int | None:
        """Checks the width of windows, whose last `targets` ids are not inputs, and returns it."""
        shape = tf.convert_to_tensor(ids).shape
        context = self.max_context
        longest = math.inf if context is None else context + targets
        if shape[1] is not None and not 1 + targets <= shape[1] <= longest:
            most = "" if context is None else f" and at most {longest}"
            raise BatchError(
                f"{self.name} takes windows of {1 + targets} ids or more{most}, got 'text' of shape"
                f" {tuple(shape)}: cut the text, as zoo.data does, or use another context_length"
            )
        return shape[1]

    # Losses. `train_step` is defined by the subclass.

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = batch["text"]
        values = self.token_values(self(x[:, :-1]), x[:, 1:])
        if "weight" not in batch:
            return {name: tf.reduce_mean(value, 1) for name, value in values.items()}
        weight = batch["weight"]
        return {name: tf.reduce_sum(weight * value, 1) for name, value in values.items()}

    def token_losses(self, logits: tf.Tensor, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """Means over all tokens [b, t] under logits [b, t, V].

        `loss` is the cross entropy in nats per token; `accuracy` is the fraction of tokens that
        have the highest logit.
        """
        values = self.token_values(logits, tokens)
        return {name: tf.reduce_mean(value) for name, value in values.items()}

    def token_values(self, logits: tf.Tensor, tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        """The values of `token_losses` for each token, [b, t]."""
        loss, _, correct = cross_entropy(logits, tokens)
        return {"loss": loss, "accuracy": tf.cast(correct, tf.float32)}

    # Generation.

    def generate(
        self,
        prompts: Iterable[str | bytes],
        max_length: int = 200,
        num_samples: int = 1,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        seed: Any = None,
        stop: str | Iterable[str] = (),
    ) -> Any:
        """Continuations of texts, without the texts.

        Of a prompt or text longer than the context, the beginning is dropped. A text ends at END,
        before a stop string, or after `max_length` tokens.

        Args:
            prompts: a list of texts; "" begins a new one. They may differ in length: each is
                continued as if it were alone.
            max_length: maximum number of new tokens.
            num_samples: continuations of each prompt.
            temperature: sampling temperature; 0: the most probable token at each step.
            top_k, top_p: as in `zoo.generation.decoding.sample`.
            repetition_penalty: above 1, tokens that the text already has become less probable.
            seed: seed of sampling, an integer or int32[2]; None: different texts in each call.
            stop: strings that end a text.

        Returns a list of str; with `num_samples` above 1, a list of lists.

        Raises UsageError: a value is invalid or has no effect, or a prompt has characters that the
        vocabulary lacks.
        """
        options = SamplingOptions(max_length, temperature, top_k, top_p, repetition_penalty)
        check_numbers(num_samples=num_samples)
        stops = stop_list(stop)
        ids = [self.encode_prompt(prompt) for prompt in text.to_str_list(prompts, "prompt")]
        self._note_long(max(ids, key=len, default=[]))
        rows = [row for row in ids for _ in range(num_samples)]
        key = self.as_seed(seed)
        texts: list[str] = []
        for number, first in enumerate(range(0, len(rows), BATCH)):
            batch_key = tf.random.experimental.stateless_fold_in(key, number)
            batch = rows[first : first + BATCH]
            tokens = self.continuation.run(batch, options, batch_key, self._stop_ids(stops))
            texts += [cut(line, stops) for line in self.vocabulary("text").decode(tokens)]
        if num_samples == 1:
            return texts
        return [texts[i : i + num_samples] for i in range(0, len(texts), num_samples)]

    def stream(
        self,
        prompt: str,
        max_length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        seed: Any = None,
        stop: str | Iterable[str] = (),
    ) -> Iterator[str]:
        """The continuation of one prompt, as `generate` returns it, in pieces as it is generated.

        Args: as in `generate`.
        """
        options = SamplingOptions(max_length, temperature, top_k, top_p, repetition_penalty)
        stops = stop_list(stop)
        row = self.encode_prompt(text.to_str_list([prompt], "prompt")[0])
        self._note_long(row)
        key = tf.random.experimental.stateless_fold_in(self.as_seed(seed), 0)
        vocabulary = self.vocabulary("text")
        tokens = self.continuation.steps(row, options, key, self._stop_ids(stops))
        return stream_pieces(tokens, lambda ids: vocabulary.decode([ids])[0], stops)

    def encode_prompt(self, prompt: str) -> list[int]:
        """The ids of a prompt; raises UsageError for characters that the vocabulary lacks."""
        vocabulary = self.vocabulary("text")
        ids = vocabulary.encode_arrays([prompt])[0]
        if text.UNKNOWN in ids:
            used = sorted(set(_parts(vocabulary, prompt)))
            ids_of_used = vocabulary.encode_arrays(used)
            unknown = [x for x, row in zip(used, ids_of_used, strict=True) if text.UNKNOWN in row]
            raise UsageError(
                f"the vocabulary of {self.name} lacks {vocabulary.kind} of the prompt:"
                f" {', '.join(map(short_repr, unknown[:10]))}; leave them out, or train with the"
                " tokenizer bytes"
            )
        return ids.tolist()

    def _note_long(self, ids: list[int]) -> None:
        """Logs that a prompt is longer than the context."""
        limit = self.max_context
        if limit is not None and len(ids) >= limit:
            log_message(
                f"note: the prompt has {len(ids):,} {self.vocabulary('text').kind}, the context"
                f" {limit}: only the end of the prompt is used"
            )

    def _stop_ids(self, stops: list[str]) -> list[int]:
        """The tokens that equal a stop string, which end a text immediately."""
        ids = self.vocabulary("text").encode_arrays(stops)
        return [int(row[0]) for row in ids if len(row) == 1]

    # Scores of texts.

    def score(self, texts: Iterable[str | bytes], stride: int | None = None) -> TextScores:
        """Log-probabilities of texts, each after END, with the counts of tokens and bytes.

        Args:
            texts: str, or UTF-8 bytes.
            stride: tokens from one window to the next, if a text is longer than `context_length`;
                None: half of it.
        """
        lines = text.to_str_list(texts)
        return score_texts(self, lines, [self.encode_prompt(line) for line in lines], stride)

    def log_prob(self, texts: Iterable[str | bytes], stride: int | None = None) -> np.ndarray:
        """log p of each text in nats, float64 [n], without the END after it; see `score`."""
        return self.score(texts, stride).log_probs

    def perplexity(self, texts: Iterable[str | bytes], stride: int | None = None) -> float:
        """exp of the nats per token of all texts together; see `score`."""
        scores = self.score(texts, stride).check_not_empty()
        return math.exp(min(scores.nats / scores.tokens, 700.0))

    def bits_per_byte(self, texts: Iterable[str | bytes], stride: int | None = None) -> float:
        """Bits per UTF-8 byte of all texts together, for any tokenizer; see `score`."""
        scores = self.score(texts, stride).check_not_empty()
        return scores.nats / scores.text_bytes / math.log(2)


def _parts(vocabulary: text.Vocabulary, prompt: str) -> list[str]:
    """The words or characters of a prompt."""
    return prompt.split() if vocabulary.kind == "words" else list(prompt)
