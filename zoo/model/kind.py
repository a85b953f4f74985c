"""Hooks of a base class for its kind of data; the defaults are those of single images.

`zoo train`, `zoo sample`, `zoo.export`, the Trainer's figures and the conformance suite ask the
class. Another kind of data overrides what differs, in one file: see docs/adding_a_kind.md.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo import data as datasets
from zoo import figures, registry
from zoo.model import small_models
from zoo.model.image_samples import sample_conditions, write_images

Signature = tuple[Callable, list[tf.TensorSpec]]  # a function of tensors, specs of its arguments


class Kind:
    """The methods of `zoo.Model` that depend on what one example is.

    Attributes:
        data_kind: what the examples are, for messages.
        default_dataset: the data set of `zoo train` unless `--data` is given.
        data_options: the options of `zoo train` that `load_data` takes; others are errors.
        inferred_arguments: names of the constructor arguments that follow from the data, if the
            model has them.
        fitted_arguments: those of them that are computed from the training split, such as a
            vocabulary; the others can be read off any split.
        methods: optional methods that are functions of tensors, and for each argument the name of
            its spec: a feature of `batch_spec`, "n", "seed" or "codes". `zoo.export` exports them.
        target_feature: the feature that `outputs` equals if the model has memorized a batch.
        outputs_use_seed: whether `outputs` depends on its seed.
        sample_suffixes: suffixes of the files that `write_samples` writes, the default first.
    """

    data_kind: str = "images"
    default_dataset: str = "snowflakes"
    data_options: tuple[str, ...] = ("binarize", "augment", "image_size")
    inferred_arguments: tuple[str, ...] = ("image_shape", "num_classes")
    fitted_arguments: tuple[str, ...] = ()
    methods: Mapping[str, tuple[str, ...]] = {
        "sample": ("n", "seed"),
        "encode": ("image",),
        "decode": ("codes",),
        "reconstruct": ("image",),
        "interpolate": ("image", "image", "n"),
    }
    target_feature: str = "image"
    outputs_use_seed: bool = True
    sample_suffixes: tuple[str, ...] = (*figures.FORMATS, ".npy", ".npz")

    name: str
    batch_spec: Any

    # Data.

    @classmethod
    def load_data(
        cls,
        source: Any,
        split: str,
        *,
        training: bool = False,
        arguments: Mapping[str, Any] | None = None,
        binarize: str = "none",
        augment: str = "none",
        **options: Any,
    ) -> Any:
        """Loads a split: shuffled for training, otherwise complete, in order and fixed.

        Data that are not for training are fixed: they are not augmented, and dynamic binarization
        becomes "fixed".

        Args:
            source: a name, a path, or arrays.
            split: in the syntax of TFDS.
            training: whether it is the training data.
            arguments: constructor arguments of the model, as far as they are known. What has been
                computed from the training data, such as a vocabulary, is taken from them.
            binarize, augment: as in `zoo.data.load`.
            **options: "batch_size", "seed" and "drop_remainder" (None: the default of the data),
                and those of `data_options`.

        Returns:
            A `zoo.data.Dataset`.
        """
        if not training:
            binarize = "fixed" if binarize == "dynamic" else binarize
            augment = "none"
        options |= {"binarize": binarize, "augment": augment}
        return datasets.load(source, split, shuffle=training, **options)

    @classmethod
    def splits(cls, source: Any, options: Mapping[str, Any]) -> list[str]:
        """The names of the splits of a source, under these `data_options`."""
        return datasets.splits(source, options.get("languages"))

    @classmethod
    def resolve_options(
        cls, source: Any, options: dict[str, Any], explicit: Collection[str] = ()
    ) -> dict[str, Any]:
        """The `data_options` of a run, with the defaults that depend on the source filled in.

        Args:
            source: as in `load_data`.
            options: name -> value.
            explicit: names of those that the user wrote: one without effect is an error.

        Raises UsageError for options that exclude each other.
        """
        return options

    @classmethod
    def arguments_from_data(cls, data: Any) -> dict[str, Any]:
        """The `inferred_arguments` of this model: name -> value.

        Args:
            data: a data set of `load_data`.
        """
        spec = data.spec.get("image")
        shape = None if spec is None else tuple(spec.shape[1:])
        return cls.select_arguments(image_shape=shape, num_classes=data.num_classes)

    @classmethod
    def summarize(cls, metrics: Mapping[str, float], data: Any) -> dict[str, float]:
        """What `zoo evaluate` reports: the means of `eval_step`, and values that follow from them.

        Args:
            metrics: the means.
            data: the evaluated data.
        """
        return {**metrics}

    @classmethod
    def select_arguments(cls, **values: Any) -> dict[str, Any]:
        """The values that are not None and are constructor arguments of this class."""
        known = registry.arguments(cls)
        return {name: x for name, x in values.items() if name in known and x is not None}

    # Figures and sample files.

    def figures(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Figures of the model's current state: name -> image array or text."""
        return figures.image_figures(self, batch)

    def write_samples(
        self,
        file: Path,
        n: int = 64,
        seed: int = 0,
        label: int | None = None,
        reference: Path | None = None,
    ) -> None:
        """Writes what `zoo sample` shows to a file with one of the `sample_suffixes`.

        An option of `zoo sample` applies to a kind of data if it is an argument here. An argument
        `data` gets examples of the test split, as `load_data` returns them.

        Args:
            file: the file.
            n: number of samples.
            seed: seed of the noise.
            label: class of the samples, for a conditional model; None: all classes in turn.
            reference: image file that the samples resemble, for an instance-conditioned model.

        Raises UsageError: the model has no `sample`, or it is not conditioned on a class or image.
        """
        write_images(self, file, n, seed, **sample_conditions(self, label, reference))

    @classmethod
    def next_commands(cls, run: str) -> list[str]:
        """The commands that `zoo train` suggests for a run, besides `zoo inspect`."""
        return [f"zoo sample {run} -n 64"]

    def signatures(self) -> dict[str, Signature]:
        """The functions that `zoo.export` writes: those of `methods` that the model has.

        `n` and `seed` are int32 scalars. If there are classes, a method with an argument `label`
        gets it last.
        """
        number = tf.TensorSpec((), tf.int32)
        labels = tf.TensorSpec((None,), tf.int64)
        specs = {"label": labels, **self.batch_spec, "n": number, "seed": number}
        functions = {}
        has_classes = getattr(self, "num_classes", 0) > 0
        for name in filter(lambda name: hasattr(self, name), self.methods):
            function = getattr(self, name)
            arguments = self.methods[name]
            if has_classes and "label" in inspect.signature(function).parameters:
                arguments = (*arguments, "label")
            if "codes" in arguments:
                specs["codes"] = self.codes_spec
            functions[name] = function, [specs[argument] for argument in arguments]
        return functions

    @property
    def codes_spec(self) -> tf.TensorSpec:
        """The spec of the argument of `decode`, the output of `encode`, which may be integers."""
        codes: Any = None
        if hasattr(self, "encode"):
            feature = self.methods["encode"][0]
            codes = self.encode(tf.zeros((1, *self.batch_spec[feature].shape[1:])))
        if tf.is_tensor(codes):
            return tf.TensorSpec((None, *codes.shape[1:]), codes.dtype)
        return tf.TensorSpec((None, getattr(self, "latent_dim", None)), tf.float32)

    def tracked_resources(self) -> list[Any]:
        """Lookup tables that the functions of `signatures` use."""
        return []

    def write_assets(self, folder: Path) -> None:
        """Writes further files into the folder of an exported model."""

    # Small, for tests.

    @classmethod
    def small_config(cls) -> dict[str, Any]:
        """Arguments of a small model, whose step takes milliseconds: name -> value."""
        return small_models.matching_arguments(registry.arguments(cls), small_models.IMAGES)

    def example_batch(self, n: int = 32, seed: int = 0) -> dict[str, tf.Tensor]:
        """A random batch of `batch_spec`: floats are 0 or 1, integers below 10."""
        random = np.random.default_rng(seed)
        specs = self.batch_spec.items()
        return {name: small_models.random_feature(random, n, spec) for name, spec in specs}

    def outputs(self, batch: dict[str, tf.Tensor], seed: Any) -> tf.Tensor:
        """The main output of the model, n outputs for a batch of n; by default samples."""
        return self.sample(len(batch["image"]), seed=seed)  # type: ignore[attr-defined]
