"""Training on: which layers learn, when they begin to, how fast, and LoRA.

    finetuning.freeze(model, "encoder")                     # bitwise as it is from now on
    thaw = finetuning.GradualUnfreezing(["decoder", "encoder"], every=2)
    adam = keras.optimizers.Adam(1e-3)
    adam = finetuning.layerwise_learning_rates(adam, model, {"encoder": 0.1})
    zoo.Trainer(model, optimizers=adam, callbacks=[thaw]).fit(data, epochs=8)

Patterns are wildcards over layer paths as `zoo.inspection.layers` names them; one that matches a
layer means all inside it. A frozen batch normalization works with the statistics it has.
"""

import fnmatch

import keras

from zoo import inspection
from zoo.checks import POSITIVE, SIZE, check_numbers
from zoo.errors import UnknownNameError, UsageError


def freeze(model, *patterns):
    """What matches learns nothing from now on; returns the paths of its layers that have weights.

    Raises UnknownNameError for a pattern that matches no layer, UsageError without one.
    """
    return switch(model, some(model, patterns), False)


def unfreeze(model, *patterns):
    """What matches learns again, and nothing else; returns and raises as `freeze` does."""
    return switch(model, some(model, patterns), True)


def some(model, patterns):
    if not patterns:
        raise UsageError(f"no layers of {model.name} are named: give patterns such as 'encoder'")
    return patterns


def switch(model, patterns, learns):
    found = matching(model, *patterns)
    meant = {id(v) for layer in found.values() for v in layer.variables}
    others = [(v, v.trainable) for v in model.variables if id(v) not in meant]
    around = {outer for path in found for outer in within(path)} if learns else set()
    put(model, dict.fromkeys({*found, *around}, learns), others)
    return [path for path, layer in found.items() if layer.weights]


def put(model, flags, variables):
    """Sets layers by path and then variables, [(variable, whether it learns)].

    From the outside in, and every layer anew: Keras sets all that is inside of a layer with it.
    """
    every = [("", model), *inspection.layers(model)]
    for layer, learns in [(layer, flags.get(path, layer.trainable)) for path, layer in every]:
        layer.trainable = learns
    for variable, learns in variables:
        variable.trainable = learns


def matching(model, *patterns):
    """{path: layer} of what matches a pattern or is inside of it."""
    every, found = inspection.layers(model), {}
    for pattern in patterns:
        here = {
            path: layer
            for path, layer in every
            if any(fnmatch.fnmatchcase(one, pattern) for one in within(path))
        }
        if not here:
            raise UnknownNameError(f"layer of {model.name}", pattern, [path for path, _ in every])
        found |= here
    return found


def within(path):
    """A path, those of the layers around it, and the model's: "a/0" -> "a/0", "a", ""."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


class GradualUnfreezing(keras.callbacks.Callback):
    """Freezes all that the stages match, and thaws one stage after the other.

    Howard, Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018,
    arXiv 1801.06146), section 3.3. A function of the epoch alone: a run that was stopped goes on as
    it would have.

    Args:
        stages: patterns, or tuples of patterns; stage k learns from epoch k * every on.
        every: epochs between two stages.
    """

    def __init__(self, stages, every=1):
        super().__init__()
        if isinstance(stages, str) or not stages:
            raise UsageError(f"stages must be a list of patterns, got {stages!r}")
        if not SIZE.accepts(every):
            raise UsageError(f"every, in epochs, must be {SIZE}, got {every!r}")
        self.stages = [(one,) if isinstance(one, str) else tuple(one) for one in stages]
        self.every = every

    def on_epoch_begin(self, epoch, logs=None):
        due = epoch // self.every + 1
        waiting = [pattern for stage in self.stages[due:] for pattern in stage]
        thawed = [pattern for stage in self.stages[:due] for pattern in stage]
        switch(self.model, waiting, False)
        switch(self.model, thawed, True)
        if getattr(self.model, "compiled", False):  # Keras' own `fit` keeps its graph
            self.model.make_train_function(force=True)


def layerwise_learning_rates(optimizer, model, rates):
    """An optimizer of the same kind and arguments, slower or faster for some of the layers.

    Howard, Ruder (2018), section 3.2: discriminative fine-tuning. Weight decay is not scaled.

    Args:
        optimizer: a Keras optimizer that has taken no step.
        model: what it is to train: a model, or the part of that name.
        rates: {pattern: share of the learning rate}; of several that match, the last one counts.

    Raises UnknownNameError for a pattern, UsageError for a share that is not above 0 or an
    optimizer that has taken steps.
    """
    if optimizer.built and int(optimizer.iterations):
        raise UsageError(
            f"{optimizer.name} has taken {int(optimizer.iterations)} steps, and its state would be"
            " lost: give a new optimizer"
        )
    for pattern, rate in rates.items():
        if not POSITIVE.accepts(rate):
            raise UsageError(
                f"the share of {pattern!r} must be {POSITIVE}, got {rate!r}; or freeze it"
            )
    shares = {
        id(variable): float(rate)
        for pattern, rate in rates.items()
        for layer in matching(model, pattern).values()
        for variable in layer.variables
    }
    return scaled(optimizer, lambda variables: [shares.get(id(one), 1.0) for one in variables])


@keras.saving.register_keras_serializable("zoo")
class LayerwiseLearningRates:
    """What `layerwise_learning_rates` adds to an optimizer's class; a saved model brings it
    along."""

    def build(self, variables):
        super().build(variables)
        self.shares = tuple(self.shares_of(variables))

    def update_step(self, gradient, variable, learning_rate):
        share = self.shares[self._get_variable_index(variable)]  # as Keras' guide does
        super().update_step(gradient, variable, learning_rate * share)

    def get_config(self):
        shares = list(self.shares) if self.built else []
        return {**super().get_config(), "kind": self.kind, "shares": shares}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        own = {key: value for key, value in config.items() if key not in ("kind", "shares")}
        optimizer = keras.optimizers.deserialize({**config["kind"], "config": own}, custom_objects)
        return scaled(optimizer, lambda variables: config["shares"])


def scaled(optimizer, shares_of):
    """A copy of an optimizer, with shares of its rate: a function of the variables it is for."""
    kind = keras.optimizers.serialize(optimizer) | {"config": {}}
    facts = {"shares_of": staticmethod(shares_of), "kind": kind, "__module__": __name__}
    cls = type("LayerwiseLearningRates", (LayerwiseLearningRates, type(optimizer)), facts)
    keras.saving.register_keras_serializable("zoo")(cls)
    return type(optimizer).from_config.__func__(cls, optimizer.get_config())


def add_lora(model, *patterns, rank=4):
    """Freezes the model and adds to the kernels that match a product of two thin ones that learns.

    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021, arXiv 2106.09685), by
    Keras' `enable_lora`. Do it before there is a Trainer. What `zoo.save` and `save_weights` write
    are the sums: a plain model again.

    Returns the paths of the layers that learn. Raises UnknownNameError for a pattern, UsageError if
    no layer that matches can, or there is an optimizer already.
    """
    check_numbers(rank=rank)
    some(model, patterns)
    if getattr(model, "optimizers", None):
        raise UsageError(
            f"{model.name} has an optimizer, which would not know the new weights: add_lora comes"
            " before the Trainer, and before compile"
        )
    every = [path for path, _ in inspection.layers(model)]
    able = {
        path: layer
        for path, layer in matching(model, *patterns).items()
        if hasattr(layer, "enable_lora") and layer.built
    }
    if not able:
        raise UsageError(f"no layer of {model.name} that matches {patterns} knows LoRA: {every}")
    freeze(model, *{path.partition("/")[0] for path in every})
    old = {id(variable) for variable in model.variables}
    for path, layer in able.items():
        try:
            layer.enable_lora(rank)
        except ValueError as error:
            raise UsageError(f"{path} cannot take LoRA of rank {rank}: {error}") from error
    around = {outer for path in able for outer in within(path)}
    put(model, dict.fromkeys(around, True), [(v, id(v) not in old) for v in model.variables])
    return [*able]
