"""Fine-tuning: frozen layers, gradual unfreezing, layer-wise learning rates, LoRA.

    finetuning.freeze(model, "encoder")                     # is no longer trained
    unfreezing = finetuning.GradualUnfreezing(["decoder", "encoder"], every=2)
    adam = keras.optimizers.Adam(1e-3)
    adam = finetuning.layerwise_learning_rates(adam, model, {"encoder": 0.1})
    zoo.Trainer(model, optimizers=adam, callbacks=[unfreezing]).fit(data, epochs=8)

Patterns are wildcards for the layer paths of `zoo.inspection.layers`; a pattern that matches a
layer includes all layers inside it. Frozen batch normalization uses its moving statistics.
"""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from zoo import inspection
from zoo.checks import POSITIVE, POSITIVE_INT, check_numbers
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from keras.optimizers import Optimizer as _Base
else:
    _Base = object


def freeze(model: keras.layers.Layer, *patterns: str) -> list[str]:
    """Freezes the layers that match: their variables do not change in training.

    Args:
        model: a model, or any layer.
        *patterns: wildcards for layer paths.

    Returns:
        The paths of the frozen layers that have weights.

    Raises:
        UnknownNameError: a pattern that matches no layer.
        UsageError: no pattern.
    """
    return _set_trainable(model, _check_patterns(model, patterns), False)


def unfreeze(model: keras.layers.Layer, *patterns: str) -> list[str]:
    """Makes the layers that match trainable, and no others; arguments and errors as in `freeze`."""
    return _set_trainable(model, _check_patterns(model, patterns), True)


def _check_patterns(model: keras.layers.Layer, patterns: Sequence[str]) -> Sequence[str]:
    if not patterns:
        raise UsageError(f"no layers of {model.name} are given: pass patterns such as 'encoder'")
    return patterns


def _set_trainable(
    model: keras.layers.Layer, patterns: Iterable[str], trainable: bool
) -> list[str]:
    matching = _matching_layers(model, *patterns)
    inside = {id(v) for layer in matching.values() for v in layer.variables}
    others = [(v, v.trainable) for v in model.variables if id(v) not in inside]
    outer = {parent for path in matching for parent in _path_and_parents(path)}
    flags = dict.fromkeys({*matching, *outer} if trainable else matching, trainable)
    _apply_trainable(model, flags, others)
    return [path for path, layer in matching.items() if layer.weights]


def _apply_trainable(
    model: keras.layers.Layer,
    flags: Mapping[str, bool],
    variables: Iterable[tuple[keras.Variable, bool]],
) -> None:
    """Sets `trainable` of layers by path, then of variables.

    Sets every layer, outer ones first, since Keras also sets all layers inside a layer.
    """
    pairs = [("", model), *inspection.layers(model)]
    for layer, trainable in [(layer, flags.get(path, layer.trainable)) for path, layer in pairs]:
        layer.trainable = trainable
    for variable, trainable in variables:
        variable.trainable = trainable


def _matching_layers(model: keras.layers.Layer, *patterns: str) -> dict[str, keras.layers.Layer]:
    """{path: layer} of the layers that match a pattern, and of all layers inside them."""
    pairs = inspection.layers(model)
    matching: dict[str, keras.layers.Layer] = {}
    for pattern in patterns:
        layers = {
            path: layer
            for path, layer in pairs
            if any(fnmatch.fnmatchcase(name, pattern) for name in _path_and_parents(path))
        }
        if not layers:
            raise UnknownNameError(f"layer of {model.name}", pattern, [path for path, _ in pairs])
        matching |= layers
    return matching


def _path_and_parents(path: str) -> Iterator[str]:
    """A path, those of the layers around it, and the model's: "a/0" -> "a/0", "a", ""."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


class GradualUnfreezing(keras.callbacks.Callback):
    """Freezes the layers of all stages, then unfreezes them stage by stage.

    Howard, Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018,
    arXiv 1801.06146), section 3.3. Depends on the epoch only, so a resumed run gives the same
    numbers.

    Args:
        stages: patterns, or tuples of patterns; stage k is trainable from epoch k * every on.
        every: epochs between two stages.

    Raises:
        UsageError: no stages, or not a positive number of epochs.
    """

    def __init__(self, stages: Sequence[str | Sequence[str]], every: int = 1):
        super().__init__()
        if isinstance(stages, str) or not stages:
            raise UsageError(f"stages must be a list of patterns, got {stages!r}")
        if not POSITIVE_INT.accepts(every):
            raise UsageError(f"every, in epochs, must be {POSITIVE_INT}, got {every!r}")
        self.stages = [(stage,) if isinstance(stage, str) else tuple(stage) for stage in stages]
        self.every = every

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        count = epoch // self.every + 1
        frozen = [pattern for stage in self.stages[count:] for pattern in stage]
        unfrozen = [pattern for stage in self.stages[:count] for pattern in stage]
        _set_trainable(self.model, frozen, False)
        _set_trainable(self.model, unfrozen, True)
        if getattr(self.model, "compiled", False):  # Keras' `fit` would reuse its graph
            self.model.make_train_function(force=True)


def layerwise_learning_rates(
    optimizer: keras.optimizers.Optimizer, model: keras.layers.Layer, rates: Mapping[str, float]
) -> keras.optimizers.Optimizer:
    """A copy of an optimizer that multiplies the learning rate of some layers.

    Howard, Ruder (2018), section 3.2: discriminative fine-tuning. Weight decay is not scaled.

    Args:
        optimizer: a Keras optimizer that has not taken a step.
        model: the model to train, or the part that the optimizer is for.
        rates: {pattern: multiplier of the learning rate}; if several patterns match a layer, the
            last one counts.

    Raises:
        UnknownNameError: a pattern that matches no layer.
        UsageError: a multiplier that is not above 0, or an optimizer that has taken steps.
    """
    if optimizer.built and int(optimizer.iterations):
        raise UsageError(
            f"{optimizer.name} has taken {int(optimizer.iterations)} steps, and its state would be"
            " lost: give a new optimizer"
        )
    for pattern, rate in rates.items():
        if not POSITIVE.accepts(rate):
            raise UsageError(
                f"the multiplier of {pattern!r} must be {POSITIVE}, got {rate!r}; or freeze it"
            )
    multipliers = {
        id(variable): float(rate)
        for pattern, rate in rates.items()
        for layer in _matching_layers(model, pattern).values()
        for variable in layer.variables
    }
    return _with_multipliers(
        optimizer, lambda variables: [multipliers.get(id(v), 1.0) for v in variables]
    )


@keras.saving.register_keras_serializable("zoo")
class LayerwiseLearningRates(_Base):
    """The mix-in of `layerwise_learning_rates`, which saved models contain."""

    multipliers_of: Callable[[Sequence[keras.Variable]], Sequence[float]]
    optimizer_class: dict[str, Any]

    def build(self, variables: Sequence[keras.Variable]) -> None:
        super().build(variables)
        self.multipliers = tuple(self.multipliers_of(variables))

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        multiplier = self.multipliers[self._get_variable_index(variable)]  # as in Keras' guide
        super().update_step(gradient, variable, learning_rate * multiplier)

    def get_config(self) -> dict[str, Any]:
        multipliers = list(self.multipliers) if self.built else []
        added = {"optimizer_class": self.optimizer_class, "multipliers": multipliers}
        return {**super().get_config(), **added}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> keras.optimizers.Optimizer:
        added = ("optimizer_class", "multipliers")
        own = {key: value for key, value in config.items() if key not in added}
        serialized = {**config["optimizer_class"], "config": own}
        optimizer = keras.optimizers.deserialize(serialized, custom_objects)
        return _with_multipliers(optimizer, lambda variables: config["multipliers"])


def _with_multipliers(
    optimizer: keras.optimizers.Optimizer,
    multipliers_of: Callable[[Sequence[keras.Variable]], Sequence[float]],
) -> keras.optimizers.Optimizer:
    """A copy of an optimizer with a multiplier of the learning rate for each variable."""
    attributes = {
        "multipliers_of": staticmethod(multipliers_of),
        "optimizer_class": keras.optimizers.serialize(optimizer) | {"config": {}},
        "__module__": __name__,
    }
    bases = (LayerwiseLearningRates, type(optimizer))
    cls = type("LayerwiseLearningRates", bases, attributes)
    keras.saving.register_keras_serializable("zoo")(cls)
    return type(optimizer).from_config.__func__(cls, optimizer.get_config())


def add_lora(model: keras.layers.Layer, *patterns: str, rank: int = 4) -> list[str]:
    """Freezes the model and adds trainable low-rank products to the kernels that match.

    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685), by
    `enable_lora` of Keras. Call it before creating a Trainer. `zoo.save` and `save_weights` write
    the sums, so that the saved model has no additional weights.

    Args:
        model: a built model, or any layer.
        *patterns: wildcards for layer paths.
        rank: rank of the products.

    Returns:
        The paths of the trainable layers.

    Raises:
        UnknownNameError: a pattern that matches no layer.
        UsageError: no matching layer supports LoRA, or the model has an optimizer already.
    """
    check_numbers(rank=rank)
    _check_patterns(model, patterns)
    if getattr(model, "optimizers", None):
        raise UsageError(
            f"{model.name} has an optimizer, which was built without the new weights: call"
            " add_lora before creating a Trainer, and before compile"
        )
    paths = [path for path, _ in inspection.layers(model)]
    supported = {
        path: layer
        for path, layer in _matching_layers(model, *patterns).items()
        if hasattr(layer, "enable_lora") and layer.built
    }
    if not supported:
        raise UsageError(f"no layer of {model.name} that matches {patterns} supports LoRA: {paths}")
    freeze(model, *{path.partition("/")[0] for path in paths})
    old = {id(variable) for variable in model.variables}
    for path, layer in supported.items():
        try:
            layer.enable_lora(rank)
        except ValueError as error:
            raise UsageError(f"{path} does not support LoRA of rank {rank}: {error}") from error
    outer = {parent for path in supported for parent in _path_and_parents(path)}
    flags = dict.fromkeys(outer, True)
    _apply_trainable(model, flags, [(v, id(v) not in old) for v in model.variables])
    return [*supported]
