"""Plain Keras on models that write their own steps: compile, fit, evaluate, predict, save, export.

What Keras would drop without a word is refused, and all data are checked, see
`zoo.model.batch_checks`.
"""

import inspect
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from zoo.checks import check_optional_numbers
from zoo.errors import UsageError
from zoo.model import keras_inputs
from zoo.model.batch_checks import BatchChecks, batch_errors, check_size
from zoo.optimizers import Optimizers, as_one, check_rates, unscaled
from zoo.registry import arguments


class KerasMethods(BatchChecks, keras.Model):
    """The part of `zoo.Model` that is called as Keras documents it."""

    def compile(
        self,
        optimizer=None,
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
    ):
        """Keras' `compile` of a model that has losses and metrics of its own.

        Args:
            optimizer: a Keras optimizer or its name, or {part: optimizer} for a model that has
                several. None: those that the model has had so far, at first those of
                `configure_optimizers`.
            loss, loss_weights, metrics, weighted_metrics: must be None.
            run_eagerly, steps_per_execution, jit_compile: as in Keras.
        """
        reason = "the model computes its own losses and metrics"
        self._refuse("compile", reason, loss=loss, loss_weights=loss_weights)
        self._refuse("compile", reason, metrics=metrics, weighted_metrics=weighted_metrics)
        self.prepare(optimizer)
        super().compile(
            optimizer=as_one(self.optimizers),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=False,  # `prepare` has seen to it
        )

    def _refuse(self, method, reason, **values):
        """Raises UsageError if an argument of a method is not None."""
        given = [name for name, value in values.items() if value is not None]
        if given:
            raise UsageError(f"{method} of {self.name} takes no {', '.join(given)}: {reason}")

    def fit(self, *args, **kwargs):
        """Keras' `fit`, on a `tf.data.Dataset` of batches or on a dict of arrays.

        All data are checked. Its logs are the last batch's; the Trainer's are means. Where an
        optimizer keeps moving averages, it ends with these in place of the weights.
        """
        given = self._given("fit", args, kwargs, self.cast_and_check, self.checked)
        names = ("epochs", "initial_epoch", "steps_per_epoch", "validation_steps", "batch_size")
        check_optional_numbers(**{name: given[name] for name in names if name in given})
        if given.get("validation_data") is not None:
            if given.get("validation_split"):
                raise UsageError("give either validation_data or validation_split, not both")
            given["validation_data"] = keras_inputs.checked_data(
                given["validation_data"], self.cast_and_check, self.checked
            )
        if self.smallest_batch > 1:
            self._check_size(given["x"], given.get("batch_size"))
        averaging = self.compiled and self._begin_fit(given.get("callbacks"))
        with batch_errors():
            history = super().fit(**given)
        if averaging and history.epoch:
            self._take_averages()
        return history

    def _check_size(self, x, batch_size):
        """Raises UsageError if the first batch is too small for `train_step`."""
        if isinstance(x, tf.data.Dataset):
            for batch in x.take(1):
                check_size(self, batch, 1)
        elif isinstance(x, dict):
            rows = slice(32 if batch_size is None else batch_size)  # Keras' own default
            check_size(self, {name: value[rows] for name, value in x.items()}, 1)

    def _begin_fit(self, callbacks):
        """Sees to the optimizers; returns whether one of them keeps moving averages."""
        self.prepare(self.optimizer)
        check_rates(self, callbacks)
        averaging = [part for part, one in self.optimizers.items() if unscaled(one).use_ema]
        if any(self.frozen(part) for part in averaging):
            raise UsageError(
                f"Keras' fit would end with moving averages of what is frozen in {self.name}: give"
                " an optimizer without use_ema, or take zoo.Trainer, which leaves it as it is"
            )
        return bool(averaging)

    def _take_averages(self):
        """Moving averages in place of weights; for a sole optimizer, Keras has done it."""
        if isinstance(self.optimizer, Optimizers):
            for part, optimizer in self.optimizers.items():
                optimizer.finalize_variable_values(self.part(part).trainable_variables)
        self.on_weights_averaged()

    def evaluate(self, *args, **kwargs):
        """Keras' `evaluate`, on all that `fit` takes."""
        if "_use_cached_eval_dataset" in kwargs:  # `fit` calls, and has seen to the data
            return super().evaluate(*args, **kwargs)
        given = self._given("evaluate", args, kwargs, self.cast_and_check, self.checked)
        with batch_errors():
            return super().evaluate(**given)

    def predict(self, *args, **kwargs):
        """Keras' `predict`, on all that `fit` takes, or on nothing but what the model is called on.

        Without an example it is empty, of the right shape.
        """
        check = self.cast_and_check_inputs
        given = self._given("predict", args, kwargs, check, self.checked_inputs)
        if keras_inputs.is_empty(given["x"]):
            return keras.tree.map_structure(np.asarray, self.predict_step(given["x"]))
        with batch_errors():
            return super().predict(**given)

    def _given(self, method, args, kwargs, check, check_dataset):
        """Arguments of a method of Keras by name, `x` checked; raises UsageError."""
        signature = inspect.signature(getattr(keras.Model, method))
        given = {**signature.bind(self, *args, **kwargs).arguments}
        given.pop("self")
        unused = {name: given.pop(name, None) for name in ("y", "sample_weight", "class_weight")}
        self._refuse(method, f"a batch is a dict with {[*self.batch_spec]}", **unused)
        x = given["x"] = keras_inputs.checked_data(given.get("x"), check, check_dataset)
        if not isinstance(x, dict | tuple) and not hasattr(x, "dtype"):
            reason = f"the batches of a {type(x).__name__} are made already"
            self._refuse(method, reason, batch_size=given.get("batch_size"))
            if "shuffle" in signature.parameters:
                given.setdefault("shuffle", False)  # which Keras warns of
        return given

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Keras' `train_on_batch`: one step; what it logs, by name or in that order."""
        return self._on_batch("train", x, return_dict, y, sample_weight, class_weight)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Keras' `test_on_batch`: means over a batch, by name or in that order."""
        return self._on_batch("test", x, return_dict, y, sample_weight)

    def _on_batch(self, verb, x, return_dict, y=None, sample_weight=None, class_weight=None):
        unused = {"y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        self._refuse(f"{verb}_on_batch", f"a batch is a dict with {[*self.batch_spec]}", **unused)
        batch = self.cast_and_check(x)
        getattr(self, f"make_{verb}_function")()
        self.reset_metrics()
        logs = getattr(self, f"{verb}_function")(iter([batch]))
        logs = {name: float(value) for name, value in logs.items()}
        return logs if return_dict else [*logs.values()]

    def predict_on_batch(self, x):
        """Keras' `predict_on_batch`: what `call` gives, as NumPy arrays."""
        return keras.tree.map_structure(
            np.asarray, self.predict_step(self.cast_and_check_inputs(x))
        )

    # What Keras calls.

    def test_step(self, batch):
        """Keras' `evaluate`: means over examples, exact on a ragged last batch."""
        values = self.eval_step(batch)
        if not self.means:
            self.means = MappingProxyType({name: keras.metrics.Mean(name) for name in values})
        for name, value in values.items():
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def predict_step(self, batch):
        """Keras' `predict`: calls the model on the feature it takes, or on a bare tensor."""
        one = isinstance(batch, dict) and not isinstance(self.input_feature, tuple)
        return self(batch[self.input_feature] if one else batch)

    @property
    def metrics(self):
        return [*super().metrics, *self.means.values()]

    # Saving.

    def get_config(self):
        """Constructor arguments by name, as JSON: the signature is the schema."""
        own = {name: to_jsonable(getattr(self, name)) for name in arguments(type(self))}
        return {**super().get_config(), **keras.saving.serialize_keras_object(own)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def get_build_config(self):
        return {"input_shape": None}  # nothing to know, but an empty dict would not be built at all

    def build_from_config(self, config):
        if not self.built:
            self.build()

    def get_compile_config(self):
        """Arguments of `compile`; the optimizers' state is with the weights."""
        if not self.compiled:
            return {}
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        """As it was compiled, optimizers built, so that their state can be loaded."""
        known = inspect.signature(self.compile).parameters
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**{name: value for name, value in config.items() if name in known})

    def export(self, filepath, format="tf_saved_model", verbose=None, input_signature=None, **how):
        """Keras' `export` of `call`; `zoo.export` is that of the verbs.

        Args:
            input_signature: None: what the model is called on, batches of any size.
            filepath, format, verbose, **how: as in Keras.
        """
        if input_signature is None:
            input_signature = [self.call_spec]
        super().export(filepath, format, verbose, input_signature, **how)

    @property
    def call_spec(self):
        """What the model is called on: a tf.TensorSpec, or a dict of them."""
        if isinstance(self.input_feature, tuple):
            return {name: self.batch_spec[name] for name in self.input_feature}
        if self.input_feature:
            return self.batch_spec[self.input_feature]
        if not hasattr(self, "generator_inputs"):
            raise UsageError(
                f"{self.name} does not say what it is called on: give input_signature, or take"
                " zoo.export(model, folder), which exports its verbs"
            )
        noise = self.generator_inputs(1, seed=0)
        return tf.TensorSpec((None, *noise.shape[1:]), noise.dtype)


def to_jsonable(value):
    """A constructor argument as JSON would have it: tuples as lists, classes by their name."""
    if isinstance(value, tuple):
        return list(value)
    return keras.saving.get_registered_name(value) if isinstance(value, type) else value
