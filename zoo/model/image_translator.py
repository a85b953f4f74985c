"""Base class of models that translate images to images of the same size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import figures
from zoo.data.numpy_files import write_arrays
from zoo.errors import UsageError
from zoo.model import Model


class ImageTranslator(Model):
    """Base of image-to-image models. Batches hold "source" and "target", float32 in [0, 1].

    A subclass has the arguments `image_shape` (of the target), `source_channels` and perhaps
    `dropout`, and the method `translate(images, seed=None)`.
    """

    image_shape: tuple[int, ...]
    source_channels: int

    input_feature = "source"
    target_feature = "target"
    data_kind = "pairs of images"
    default_dataset = "snowflake_maps"
    data_options = ("augment", "image_size")
    inferred_arguments = ("image_shape", "source_channels")
    methods: Mapping[str, tuple[str, ...]] = {"translate": ("source",)}

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        *size, channels = self.image_shape
        return {
            "source": tf.TensorSpec((None, *size, self.source_channels), tf.float32),
            "target": tf.TensorSpec((None, *size, channels), tf.float32),
        }

    def translate(self, images: tf.Tensor, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """Translates source images [n, h, w, source_channels] to target images [n, h, w, c].

        Args:
            images: in [0, 1], as are the translations.
            seed: seed of the noise; None: without noise.
        """
        raise NotImplementedError

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        if not {"source", "target"} <= data.spec.keys():
            return {}
        shapes = {side: tuple(data.spec[side].shape[1:]) for side in ("source", "target")}
        return cls.select_arguments(
            image_shape=shapes["target"], source_channels=shapes["source"][-1]
        )

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        return {"translations": figures.translations(self, batch["source"], batch["target"])}

    def write_samples(self, file: Path, data: Any, n: int = 8, seed: int | None = None) -> None:  # type: ignore[override]
        """Writes the translated sources of `n` test examples with their targets.

        Args:
            file: a figure; or an array `image`, in .npz with `source` and `target`.
            data: the test split.
            n: number of pairs.
            seed: seed of the noise; None: without noise.
        """
        if seed is not None and not getattr(self, "dropout", True):
            raise UsageError(f"--seed is for dropout, and {self.name} has none here; leave it out")
        batch = data.take(n)
        source = batch["source"]
        target = batch["target"]
        if file.suffix.lower() in figures.FORMATS:
            figures.translations(self, source, target, len(source), seed, file)
        else:
            image = self.translate(source, seed=seed)
            write_arrays(file, image=image, source=source, target=target)

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        return self.translate(batch["source"], seed=seed)
