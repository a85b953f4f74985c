"""The hooks of `zoo.model.kind` for language models."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import music, text
from zoo.data import text_sources
from zoo.data.stream_config import StreamConfig, default_stream_tokenizer
from zoo.errors import UsageError
from zoo.files import write_text
from zoo.model import small_models
from zoo.model.kind import Kind, Signature
from zoo.registry import arguments as constructor_arguments

SMALL = (
    ("text_vocabulary", 20),
    ("context_length", 6),
    ("hidden_dim", 16),
    ("num_layers", 1),
    ("num_heads", 2),
)
SAMPLE_LENGTH = 400  # tokens of a text that is shown, or a few contexts


class LanguageModelKind(Kind):
    """The data of `zoo.LanguageModel`: one stream of ids, cut into blocks."""

    data_kind = "windows of text"
    default_dataset = "dates"
    data_options = tuple(field.name for field in fields(StreamConfig))
    config_class = StreamConfig
    inferred_arguments = ("text_vocabulary",)
    fitted_arguments = ("text_vocabulary",)
    sample_suffixes = (".txt", ".wav", ".png", ".pdf", ".svg")

    context_length: int
    vocabularies: dict[str, Any]
    vocabulary: Callable[[str], Any]
    generate: Callable[..., Any]
    continuation: Any

    # Data.

    @classmethod
    def load_data(  # type: ignore[override]
        cls,
        source: Any,
        split: str,
        *,
        training: bool = False,
        arguments: Mapping[str, Any] | None = None,
        batch_size: int = 64,
        seed: int = 0,
        drop_remainder: bool | None = None,
        stride: int | None = None,
        **options: Any,
    ) -> Any:
        """Loads a split as random blocks for training, otherwise as windows over all of its text.

        Args:
            source, split, training, batch_size, seed, drop_remainder: as in `zoo.Model.load_data`.
            arguments: constructor arguments: `context_length`, and `text_vocabulary`, which is
                computed from this split if it is missing.
            stride: stride of the windows, see `zoo.data.token_blocks.TokenBlocks`.
            **options: fields of `StreamConfig`.
        """
        config = StreamConfig(**cls.resolve_options(source, options))
        arguments = arguments or {}
        stored = arguments.get("text_vocabulary")
        default = constructor_arguments(cls)["context_length"].default
        return config.load(
            source,
            split,
            text.from_json(stored) if isinstance(stored, str) else None,
            context_length=arguments.get("context_length", default),
            batch_size=batch_size,
            shuffle=training,
            seed=seed,
            stride=stride,
            drop_remainder=training if drop_remainder is None else drop_remainder,
        )

    @classmethod
    def splits(cls, source: Any, options: Mapping[str, Any]) -> list[str]:
        return [*text_sources.open_text(source, options.get("column")).splits]

    @classmethod
    def resolve_options(
        cls, source: Any, options: dict[str, Any], explicit: Collection[str] = ()
    ) -> dict[str, Any]:
        tokenizer = options.get("tokenizer") or default_stream_tokenizer(source)
        options = options | {"tokenizer": tokenizer}
        StreamConfig(**options)  # checks them
        if tokenizer in ("characters", "bytes") and "vocabulary_size" in explicit:
            raise UsageError(
                f"{source} is tokenized into {tokenizer}, all of which are in the vocabulary: leave"
                " --vocabulary-size out, or choose another --tokenizer"
            )
        return options

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        return {"text_vocabulary": data.vocabularies["text"].to_json()}

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        return {"text": tf.TensorSpec((None, None), tf.int32)}

    @classmethod
    def summarize(cls, metrics: Mapping[str, float], data: Any) -> dict[str, float]:
        """Adds perplexity and bits per byte to the nats per token, `loss`."""
        return {**metrics, **data.scores_of(metrics["loss"])}

    # Figures and sample files.

    def figures(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A text that the model writes, always with the same random numbers."""
        if not self.vocabularies["text"]:
            return {}
        length = min(SAMPLE_LENGTH, 8 * self.context_length)
        return {"sample": self.generate([""], max_length=length, seed=0)[0]}

    def write_samples(self, file: Path, n: int = 1, seed: int = 0) -> None:  # type: ignore[override]
        """Writes texts; a chorale also as sound (.wav) or as a score (.png, .pdf, .svg).

        Args:
            file: a text file, or a sound or a figure of one chorale.
            n: number of texts, with a line of dashes between them.
            seed: seed of the samples.
        """
        suffix = file.suffix.lower()
        if suffix != ".txt" and n > 1:
            raise UsageError(f"{file.name} holds one chorale, got n={n}: leave -n out")
        length = min(4 * SAMPLE_LENGTH, 8 * self.context_length)
        texts = self.generate([""] * n, max_length=length, seed=seed)
        if suffix == ".txt":
            write_text(file, f"\n{'-' * 20}\n".join(texts) + "\n")
        elif suffix == ".wav":
            music.write_wav(file, music.parse_frames(texts[0]))
        else:
            from zoo.figures import piano_roll

            piano_roll(music.parse_frames(texts[0]), path=file)

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        return [f"zoo generate {run} PROMPT", f"zoo evaluate {run} --best"]

    def signatures(self) -> dict[str, Signature]:
        """`logits`, ids [b, t] to the logits of the token after each of them."""

        def logits(tokens: tf.Tensor) -> tf.Tensor:
            return self(tokens)  # type: ignore[operator]

        return {"logits": (logits, [self.batch_spec["text"]])}

    def write_assets(self, folder: Path) -> None:
        """Writes the vocabulary."""
        if self.vocabularies["text"]:
            self.vocabularies["text"].save(folder / "assets.extra" / "text")

    # Small, for tests.

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        own = small_models.matching_arguments(constructor_arguments(cls), SMALL)
        return super().small_config() | own

    def example_batch(self, n: int = 32, seed: int = 0) -> dict[str, tf.Tensor]:
        """Random blocks that begin with END."""
        random = np.random.default_rng(seed)
        ids = random.integers(text.END + 1, 10, (n, self.context_length))
        ids[:, 0] = text.END
        return {"text": tf.constant(ids, tf.int32)}

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        """Sampled ids [n, context_length]."""
        from zoo.generation.continuation import Continuation, SamplingOptions

        options = SamplingOptions(self.context_length, temperature=0.5)
        prompts: list[list[int]] = [[]] * batch["text"].shape[0]
        key = self.as_seed(seed)  # type: ignore[attr-defined]
        rows = Continuation(self, eager=True).run(prompts, options, key)  # type: ignore[arg-type]
        ids = np.full((len(rows), self.context_length), text.PAD, np.int32)
        for row, tokens in zip(ids, rows, strict=True):
            row[: len(tokens)] = tokens
        return tf.constant(ids)
