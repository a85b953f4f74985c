"""Base class of models that render one image in the style of another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import figures
from zoo.data.numpy_files import write_arrays
from zoo.model import Model, small_models
from zoo.registry import arguments


class Stylizer(Model):
    """Base of style transfer. Batches hold "content" and "style", float32 images in [0, 1].

    A subclass has the argument `image_shape` and the method `stylized_image()`.
    """

    input_feature = target_feature = "content"
    outputs_use_seed = False
    data_kind = "pairs of a content and a style image"
    default_dataset = "pictures"
    data_options = ("augment", "image_size")
    inferred_arguments = ("image_shape",)
    methods: Mapping[str, tuple[str, ...]] = {}

    image_shape: tuple[int, ...]

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        spec = tf.TensorSpec((None, *self.image_shape), tf.float32)
        return {"content": spec, "style": spec}

    def stylized_image(self) -> tf.Tensor:
        """The stylized image: [h, w, c] in [0, 1]."""
        raise NotImplementedError

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        spec = data.spec.get("content")
        return cls.select_arguments(image_shape=None if spec is None else tuple(spec.shape[1:]))

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        pair = batch["content"][0], batch["style"][0]
        return {"stylized_image": figures.stylized(*pair, self.stylized_image())}

    def write_samples(self, file: Path, data: Any) -> None:  # type: ignore[override]
        """Writes the stylized image: as a figure with its pair, or as an array `image`."""
        image = self.stylized_image()
        if file.suffix.lower() in figures.FORMATS:
            pair = data.take(1)
            figures.stylized(pair["content"][0], pair["style"][0], image, path=file)
        else:
            write_arrays(file, image=image)

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        return [f"zoo sample {run}"]

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        own = [("content_weight", 100.0), ("content_layers", ("block1_conv1",))]
        return super().small_config() | small_models.matching_arguments(arguments(cls), own)

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        return tf.repeat(self.stylized_image()[None], len(batch["content"]), axis=0)
