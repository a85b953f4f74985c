"""Base class of models that describe images with text."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.checks import int_tuple
from zoo import text
from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.generation.sequence_generator import SequenceGenerator

AttentionMap = tuple[list[str], np.ndarray]  # (tokens, maps [tokens, rows, columns])


class Captioner(SequenceGenerator):
    """Base of captioning models.

    Batches contain "image", float32 [b, h, w, c] in [0, 1], or instead "features", float16
    [b, h, w, c]: the feature map of another network, as `zoo.data.image_features` caches it.
    "caption" is int32 [b, t]: ids between START and END, zeros at the end of a row.

    Args:
        caption_vocabulary: the number of ids; or a `zoo.text` vocabulary, or the text of its
            `to_json`, which is what is stored: a saved model contains its vocabulary.
        image_shape: height, width and channels of an image, or of its features.
    """

    input_feature = "image"  # "features" in a model of cached feature maps
    target_feature = "caption"
    data_kind = "captions"
    default_dataset = "shapes"

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
                ' extract an inner one, as in encoder=zoo.feature_extractor(block, "1")'
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
            **options: of the search without `captions`, as in `generate`.

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
            tokens = vocabulary.encode_batch(captions, add_start_end=True, max_length=max_length)[
                :, 1:
            ]
            if len(tokens) != len(images):
                raise UsageError(
                    f"{len(images)} images need {len(images)} captions, got {len(tokens)}"
                )
            weights = self.attention_weights(images, tokens).numpy()
        return [self._attention_map(*row) for row in zip(tokens, weights, strict=True)]
