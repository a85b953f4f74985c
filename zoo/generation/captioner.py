"""Base class of models that describe images with text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.checks import int_tuple
from zoo import figures, text
from zoo.checks import check_numbers
from zoo.data.caption_config import CaptionConfig
from zoo.errors import UsageError
from zoo.generation.decoding_checks import reject_search_options
from zoo.generation.sequence_generator import SequenceGenerator
from zoo.generation.text_kind import TextKind
from zoo.model.kind import Signature

AttentionMap = tuple[list[str], np.ndarray]  # (tokens, maps [tokens, rows, columns])


class Captioner(SequenceGenerator):
    """Base of captioning models.

    Batches contain "image", float32 [b, h, w, c] in [0, 1], or instead "features", float16
    [b, h, w, c]: the feature map of another network, as `zoo.data.image_features` caches it.
    "caption" is int32 [b, t]: ids between START and END, zeros at the end of a row.

    Args:
        caption_vocabulary: the number of ids; or a `zoo.text` vocabulary, or the text of its
            `to_json`. A vocabulary is stored as that text, so a saved model contains it.
        image_shape: height, width and channels of an image, or of its features.
    """

    input_feature = "image"  # "features" in a model of cached feature maps
    target_feature = "caption"
    data_kind = "captions of images"
    default_dataset = "shapes"
    data_options = (
        *(x for x in TextKind.data_options if x != "languages"),
        *("image_size", "min_count", "network", "mirrored"),
    )
    inferred_arguments = ("caption_vocabulary", "image_shape")
    fitted_arguments = ("caption_vocabulary",)
    sample_suffixes = figures.FORMATS
    config_class = CaptionConfig

    def __init__(
        self,
        caption_vocabulary: int | str | text.Vocabulary,
        image_shape: Sequence[int],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.set_vocabularies(caption=caption_vocabulary)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)

    def encoder_output_shape(self, encoder: keras.layers.Layer) -> tuple[int, int, int]:
        """(rows, columns, channels) of an encoder's feature map; raises ValueError if not a map."""
        shape = encoder.compute_output_shape((None, *self.image_shape))
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise ValueError(
                f"encoder must return a feature map (rows, columns, channels), got shape {shape}:"
                ' use an inner layer, as in encoder=zoo.feature_extractor(block, "1")'
            )
        return shape[1:]

    @property
    def feature_map_shape(self) -> tuple[int, int]:
        """(rows, columns) of the positions over which `decode_step` returns weights, row by row."""
        raise NotImplementedError

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        dtype = tf.float32 if self.input_feature == "image" else tf.float16
        return {
            self.input_feature: tf.TensorSpec((None, *self.image_shape), dtype),
            "caption": tf.TensorSpec((None, None), tf.int32),
        }

    # Figures and sample files.

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        feature = next((data.spec[x] for x in ("image", "features") if x in data.spec), None)
        shape = None if feature is None else tuple(feature.shape[1:])
        return super().arguments_from_data(data) | cls.select_arguments(image_shape=shape)

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        """The attention weights of the first four images."""
        if "image" not in batch or not all(self.vocabularies.values()):
            return {}
        images = batch["image"][:4]
        return {
            "captions": figures.caption_maps(images, self.attention_maps(images, max_length=24))
        }

    def write_samples(self, file: Path, data: Any, n: int = 8) -> None:  # type: ignore[override]
        """Writes a figure of `n` test images and the attention weights of their captions.

        Args:
            file: a figure.
            data: the test split.
            n: number of images.
        """
        images = data.corpus.arrays["image"][:n]
        maps = self.attention_maps(images, max_length=data.max_length)
        figures.caption_maps(images, maps, file)

    def generate_texts(self, data: Any, n: int | None = None, **options: Any) -> list[str]:
        images = data.corpus.arrays[self.input_feature][:n]
        return self.caption(images, max_length=data.max_length, **options)

    def reference_texts(self, data: Any) -> list[list[str]]:
        return data.corpus.references("caption")

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        return [f"zoo caption {run} IMAGE"]

    def signatures(self, num_beams: int = 1, max_length: int = 100) -> dict[str, Signature]:
        """`caption`, images to strings [n], with a vocabulary of words; else `generate`."""
        if not self.has_word_vocabularies:
            return super().signatures(num_beams, max_length)

        def caption(images: tf.Tensor) -> tf.Tensor:
            return self.generate_strings(images, num_beams, max_length)

        return {"caption": (caption, [self.batch_spec[self.input_feature]])}

    # Captioning.

    def caption(
        self,
        images: Any,
        num_beams: int = 1,
        max_length: int = 50,
        batch_size: int = 64,
        **options: Any,
    ) -> list[str]:
        """A caption for each image: a list of str.

        Args:
            images: [n, h, w, c], floats in [0, 1] or uint8; or features, if trained on them.
            num_beams, max_length, **options: as in `generate`.
            batch_size: number of images captioned at a time.
        """
        options |= {"num_beams": num_beams, "max_length": max_length, "batch_size": batch_size}
        return self.caption_with_attention(images, 0, **options)[0]

    def caption_with_attention(
        self,
        images: Any,
        num_maps: int = 8,
        num_beams: int = 1,
        max_length: int = 50,
        batch_size: int = 64,
        **options: Any,
    ) -> tuple[list[str], list[AttentionMap]]:
        """Captions and their attention maps, from one search.

        Args:
            images, num_beams, max_length, batch_size, **options: as in `caption`.
            num_maps: number of attention maps, those of the first images.

        Returns (captions, maps): as `caption` and `attention_maps` return them.
        """
        check_numbers(batch_size=batch_size, num_maps=num_maps, max_length=max_length)
        vocabulary = self.vocabulary("caption")
        captions: list[str] = []
        maps: list[Any] = []
        images = self.validate_source(images)
        for k in range(0, len(images), batch_size):
            batch = images[k : k + batch_size]
            result = self.generate(batch, num_beams, max_length, **options)
            tokens, weights = self.best_sequences(result)
            captions += vocabulary.decode(tokens)
            for row in zip(tokens, weights, strict=True):
                if len(maps) < num_maps:
                    maps.append(self._attention_map(*row))
        return captions, maps

    def _attention_map(self, caption: np.ndarray, weights: np.ndarray) -> AttentionMap:
        """(tokens, maps [t, rows, columns]) of one caption, without its padding."""
        t = (caption != text.PAD).sum()
        maps = np.reshape(weights[:t], (t, *self.feature_map_shape))
        return self.vocabulary("caption").tokens(caption[:t]), maps

    def attention_maps(
        self,
        images: Any,
        captions: Iterable[str | bytes] | None = None,
        max_length: int = 50,
        **options: Any,
    ) -> list[AttentionMap]:
        """Attention weights of each caption token over the image positions.

        Args:
            images: as in `caption`.
            captions: the captions; None: the model's own.
            max_length: maximum number of ids in a caption.
            **options: options of the search if `captions` is None, as in `generate`.

        Returns, for each image, (tokens, maps [t, rows, columns]). Each map sums to 1. The last
        token is END, if it came within `max_length`.
        """
        check_numbers(max_length=max_length)
        vocabulary = self.vocabulary("caption")
        images = self.validate_source(images)
        if captions is None:
            result = self.generate(images, max_length=max_length, **options)
            tokens, weights = self.best_sequences(result)
        else:
            reject_search_options(options, "captions")
            tokens = vocabulary.encode_batch(captions, add_start_end=True, max_length=max_length)[
                :, 1:
            ]
            if len(tokens) != len(images):
                raise UsageError(
                    f"{len(images)} images need {len(images)} captions, got {len(tokens)}"
                )
            weights = self.attention_weights(images, tokens).numpy()
        return [self._attention_map(*row) for row in zip(tokens, weights, strict=True)]
