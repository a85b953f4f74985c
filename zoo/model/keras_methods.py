"""The methods of `keras.Model`: compile, fit, evaluate, predict, save, export.

Arguments that Keras would silently ignore are errors, and all data are checked, see
`zoo.model.batch_checks`.
"""

import inspect
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import UsageError
from zoo.model import keras_inputs
from zoo.model.batch_checks import BatchChecks, batch_errors, check_batch_size
from zoo.optimizers import MultiOptimizer, check_schedules, combine_optimizers, unwrap_loss_scale
from zoo.registry import arguments, deserialize, translate_config


class KerasMethods(BatchChecks, keras.Model):
    """The methods of `zoo.Model` that follow the documentation of Keras."""

    def compile(
        self,
        optimizer: Any = None,
        loss: None = None,
        loss_weights: None = None,
        metrics: None = None,
        weighted_metrics: None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
    ) -> None:
        """Keras' `compile`, for a model with losses and metrics of its own.

        Args:
            optimizer: a Keras optimizer or its name, or {part: optimizer} for a model with
                several. None: the current optimizers, initially those of `configure_optimizers`.
            loss, loss_weights, metrics, weighted_metrics: must be None.
            run_eagerly, steps_per_execution, jit_compile: as in Keras.

        Raises:
            UsageError: an argument that must be None, or optimizers for the wrong parts.
        """
        reason = "the model computes its own losses and metrics"
        self._check_unused("compile", reason, loss=loss, loss_weights=loss_weights)
        self._check_unused("compile", reason, metrics=metrics, weighted_metrics=weighted_metrics)
        self.prepare(optimizer)
        super().compile(
            optimizer=combine_optimizers(self.optimizers),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=False,  # done by `prepare`
        )

    def _check_unused(self, method: str, reason: str, **values: Any) -> None:
        """Raises UsageError if an argument that the method cannot use is not None."""
        unused = [name for name, value in values.items() if value is not None]
        if unused:
            raise UsageError(f"{method} of {self.name} takes no {', '.join(unused)}: {reason}")

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Keras' `fit`, on a `tf.data.Dataset` of batches or on a dict of arrays.

        All data are checked. It logs the values of the last batch; the Trainer logs means. If an
        optimizer keeps moving averages, they replace the weights at the end.

        Raises:
            UsageError: arguments that the model cannot use.
            BatchError: data that do not fit the model.
        """
        bound = self._bind("fit", args, kwargs, self.cast_and_check, self.check_dataset)
        if bound.get("validation_data") is not None:
            if bound.get("validation_split"):
                raise UsageError("give either validation_data or validation_split, not both")
            bound["validation_data"] = keras_inputs.check_data(
                bound["validation_data"], self.cast_and_check, self.check_dataset
            )
        if self.min_batch_size > 1:
            self._check_first_batch_size(bound["x"], bound.get("batch_size"))
        averaging = self.compiled and self._begin_fit(bound.get("callbacks"))
        with batch_errors():
            history = super().fit(**bound)
        if averaging and history.epoch:
            self._load_averages()
        return history

    def _check_first_batch_size(self, x: Any, batch_size: int | None) -> None:
        """Raises UsageError if the first batch is too small for `train_step`."""
        if isinstance(x, tf.data.Dataset):
            for batch in x.take(1):
                check_batch_size(self, batch, 1)
        elif isinstance(x, dict):
            rows = slice(32 if batch_size is None else batch_size)  # default of Keras
            check_batch_size(self, {name: value[rows] for name, value in x.items()}, 1)

    def _begin_fit(self, callbacks: Any) -> bool:
        """Prepares the optimizers; returns whether one of them keeps moving averages."""
        self.prepare(self.optimizer)
        if not callbacks:  # one may unfreeze layers
            self.check_trainable()
        check_schedules(self, callbacks)
        parts = self.optimizers.items()
        averaging = [part for part, optimizer in parts if unwrap_loss_scale(optimizer).use_ema]
        if any(self.frozen_variables(part) for part in averaging):
            raise UsageError(
                f"Keras' fit would replace frozen weights of {self.name} by averages: give an"
                " optimizer without use_ema, or use zoo.Trainer, which keeps frozen weights"
            )
        return bool(averaging)

    def _load_averages(self) -> None:
        """Replaces weights by moving averages; for a single optimizer, Keras has done it."""
        if isinstance(self.optimizer, MultiOptimizer):
            for part, optimizer in self.optimizers.items():
                optimizer.finalize_variable_values(self.part(part).trainable_variables)
        self.on_weights_averaged()

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' `evaluate`, on the same data as `fit`."""
        if "_use_cached_eval_dataset" in kwargs:  # called by `fit`, which has checked the data
            return super().evaluate(*args, **kwargs)
        bound = self._bind("evaluate", args, kwargs, self.cast_and_check, self.check_dataset)
        with batch_errors():
            return super().evaluate(**bound)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' `predict`, on the same data as `fit`, or on inputs of `call` alone.

        Without examples, the result is empty and has the right shape.
        """
        check = self.cast_and_check_inputs
        bound = self._bind("predict", args, kwargs, check, self.check_input_dataset)
        if keras_inputs.is_empty(bound["x"]):
            return keras.tree.map_structure(np.asarray, self.predict_step(bound["x"]))
        with batch_errors():
            return super().predict(**bound)

    def _bind(
        self,
        method: str,
        args: Iterable[Any],
        kwargs: dict[str, Any],
        check: Callable[[Any], Any],
        check_dataset: Callable[[tf.data.Dataset], tf.data.Dataset],
    ) -> dict[str, Any]:
        """The arguments of a method of Keras by name, with `x` checked; raises UsageError."""
        signature = inspect.signature(getattr(keras.Model, method))
        bound = {**signature.bind(self, *args, **kwargs).arguments}
        bound.pop("self")
        unused = {name: bound.pop(name, None) for name in ("y", "sample_weight", "class_weight")}
        self._check_unused(method, f"a batch is a dict with {[*self.batch_spec]}", **unused)
        keras_inputs.check_arguments(bound)
        x = bound["x"] = keras_inputs.check_data(bound.get("x"), check, check_dataset)
        if not isinstance(x, dict | tuple) and not hasattr(x, "dtype"):
            reason = f"a {type(x).__name__} has batches already"
            self._check_unused(method, reason, batch_size=bound.get("batch_size"))
            if "shuffle" in signature.parameters:
                bound.setdefault("shuffle", False)  # Keras warns about True
        return bound

    def train_on_batch(
        self,
        x: Any,
        y: None = None,
        sample_weight: None = None,
        class_weight: None = None,
        return_dict: bool = False,
    ) -> dict[str, float] | list[float]:
        """Keras' `train_on_batch`: one step; its logs as a dict, or as a list of values."""
        unused = {"y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        return self._run_on_batch("train", x, return_dict, **unused)

    def test_on_batch(
        self, x: Any, y: None = None, sample_weight: None = None, return_dict: bool = False
    ) -> dict[str, float] | list[float]:
        """Keras' `test_on_batch`: means over a batch as a dict, or as a list of values."""
        return self._run_on_batch("test", x, return_dict, y=y, sample_weight=sample_weight)

    def _run_on_batch(
        self, mode: str, x: Any, return_dict: bool, **unused: Any
    ) -> dict[str, float] | list[float]:
        reason = f"a batch is a dict with {[*self.batch_spec]}"
        self._check_unused(f"{mode}_on_batch", reason, **unused)
        batch = self.cast_and_check(x)
        getattr(self, f"make_{mode}_function")()
        self.reset_metrics()
        logs = getattr(self, f"{mode}_function")(iter([batch]))
        logs = {name: float(value) for name, value in logs.items()}
        return logs if return_dict else [*logs.values()]

    def predict_on_batch(self, x: Any) -> Any:
        """Keras' `predict_on_batch`: the output of `call` as NumPy arrays."""
        return keras.tree.map_structure(
            np.asarray, self.predict_step(self.cast_and_check_inputs(x))
        )

    # Called by Keras.

    def test_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of Keras' `evaluate`: means over examples, exact for a short last batch."""
        values = self.eval_step(batch)
        if not self.mean_metrics:
            self.mean_metrics: Any = MappingProxyType(
                {name: keras.metrics.Mean(name) for name in values}
            )
        for name, value in values.items():
            self.mean_metrics[name].update_state(value)
        return {name: mean.result() for name, mean in self.mean_metrics.items()}

    def predict_step(self, batch: Any) -> Any:
        """One step of Keras' `predict`: calls the model on its input feature, or on a tensor."""
        is_single = isinstance(batch, dict) and not isinstance(self.input_feature, tuple)
        return self(batch[self.input_feature] if is_single else batch)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of Keras, and the means of `test_step`, which replace Keras' own loss."""
        own = self.mean_metrics
        return [*(each for each in super().metrics if each.name not in own), *own.values()]

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments by name, as JSON values."""
        own = {name: to_jsonable(getattr(self, name)) for name in arguments(type(self))}
        return {**super().get_config(), **keras.saving.serialize_keras_object(own)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KerasMethods":
        cls, config = translate_config(cls, config)
        return cls(**deserialize(config))

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}  # Keras would not build the model for an empty dict

    def build_from_config(self, config: dict[str, Any]) -> None:
        if not self.built:
            self.build()

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`; the optimizers' state is saved with the weights."""
        if not self.compiled:
            return {}
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model with built optimizers, so that their state can be loaded."""
        parameters = inspect.signature(self.compile).parameters
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**{name: value for name, value in config.items() if name in parameters})

    def export(
        self,
        filepath: str,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Keras' `export` of `call`; `zoo.export` exports the other methods.

        Args:
            input_signature: default: the inputs of `call`, in batches of any size.
            filepath, format, verbose, **kwargs: as in Keras.
        """
        if input_signature is None:
            input_signature = [self.call_spec]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    @property
    def call_spec(self) -> tf.TensorSpec | dict[str, tf.TensorSpec]:
        """The input of `call`: a tf.TensorSpec, or a dict of them."""
        if isinstance(self.input_feature, tuple):
            return {name: self.batch_spec[name] for name in self.input_feature}
        if self.input_feature:
            return self.batch_spec[self.input_feature]
        if not hasattr(self, "generator_inputs"):
            raise UsageError(
                f"{self.name} has no input_feature: give input_signature, or use"
                " zoo.export(model, folder), which exports its other methods"
            )
        noise = self.generator_inputs(1, seed=0)
        return tf.TensorSpec((None, *noise.shape[1:]), noise.dtype)


def to_jsonable(value: Any) -> Any:
    """Converts a constructor argument for JSON: tuples to lists, classes to registered names."""
    if isinstance(value, tuple):
        return list(value)
    return keras.saving.get_registered_name(value) if isinstance(value, type) else value
