"""Base class of models that predict ratings of items by users."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.files import write_table
from zoo.model import Model, small_models
from zoo.registry import arguments


class Recommender(Model):
    """Base of recommender models. Batches hold "user" and "item", int32 [b], and "rating" [b].

    A subclass has the arguments `num_users` and `num_items`: ids are 0 ... num_users - 1.
    """

    input_feature = ("user", "item")
    target_feature = "rating"
    outputs_use_seed = False
    data_kind = "ratings"
    default_dataset = "ratings"
    data_options = ()
    inferred_arguments = ()
    methods: Mapping[str, tuple[str, ...]] = {"predict_ratings": ("user", "item")}
    sample_suffixes = (".tsv",)

    num_users: int
    num_items: int

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        dtypes = {"user": tf.int32, "item": tf.int32, "rating": tf.float32}
        return {name: tf.TensorSpec((None,), dtype) for name, dtype in dtypes.items()}

    def check_feature(self, name: str, value: tf.Tensor, spec: tf.TensorSpec) -> None:
        super().check_feature(name, value, spec)
        if name in self.input_feature:
            argument = f"num_{name}s"
            count = getattr(self, argument)
            self.check_ids(f"{name!r} ids", value, count, f"{argument}=N for ids below N")

    def predict_ratings(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Predicted ratings of the items [n] by the users [n]: float32 [n]."""
        raise NotImplementedError

    def figures(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        return {}

    def write_samples(self, file: Path, data: Any, n: int = 8) -> None:  # type: ignore[override]
        """Writes a table of `n` test examples: user, item, predicted and true rating."""
        batch = data.take(n)
        predicted = np.asarray(self.predict_ratings(batch["user"], batch["item"]))
        columns = batch["user"], batch["item"], predicted.round(2), batch["rating"]
        write_table(file, ("user", "item", "predicted", "rating"), zip(*columns, strict=True))

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        return [f"zoo sample {run} -n 20", f"zoo evaluate {run} --best"]

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        own = small_models.matching_arguments(arguments(cls), [("rating_range", (0.0, 1.0))])
        return super().small_config() | own

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        return self.predict_ratings(batch["user"], batch["item"])
