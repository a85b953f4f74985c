"""Where a NaN came from: the run is replayed from its last checkpoint, and looked into."""

import math

from zoo import inspection
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import NonFiniteError


def numbers_of(values):
    """Scalar tensors as floats, in an order that does not depend on how the step was run."""
    return {name: float(values[name]) for name in sorted(values)}


def explain_non_finite(trainer, run, train, until):
    """Raises NonFiniteError for the first step after the last good state that broke.

    Leaves the model, and where it stands in the data, as they were before that step.

    Args:
        trainer: whose `persistence` has the last good state.
        run: the step.
        train: the data.
        until: number of the step whose loss, or after which a weight, was not finite.
    """
    state, replicas = trainer.state, trainer.distribution
    state.load(*trainer.persistence.good)
    epoch, start = state.position["epoch"], state.position["step_in_epoch"]
    replay = as_tf_dataset(train, epoch).skip(start).take(until - state.position["step"])
    for batch in replicas.distribute(trainer.model.checked(replay)):
        before = state.arrays()
        logs = numbers_of(run(batch))
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad or not state.is_finite():
            state.assign(before)
            step = state.position["step"] + 1
            inspected = trainer.inspect(batch) if replicas.num_replicas == 1 else None
            raise NonFiniteError(
                f"{', '.join(bad) or 'the gradient'} not finite at step {step}, epoch"
                f" {epoch + 1}; {_reason(inspected)}. The model is as it was before this step;"
                f" checkpoints are untouched. {ADVICE}"
            )
        state.advance(logs)
    state.load(*trainer.persistence.good)
    raise NonFiniteError(
        f"a loss or a weight was not finite at step {until}, epoch {epoch + 1}, and was when the"
        " steps were repeated: the data are in another order each time. The model is as it was at"
        f" step {state.position['step']}; checkpoints are untouched. {ADVICE}"
    )


ADVICE = (
    "Try a lower learning rate, or clipping: keras.optimizers.Adam(1e-4, global_clipnorm=1.0)."
    " A run keeps its optimizer, so use another workdir for that"
)


def _reason(inspected):
    return inspected.explain_non_finite() if inspected else "under a strategy no layer can be named"


def check_finite(model, values):
    """Raises NonFiniteError, with all values, unless every metric of an evaluation is finite."""
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return
    paths = inspection.variable_paths(model)
    broken = [paths[id(v)] for v in model.variables if not inspection.is_finite(v)]
    where = f"the weights {broken[0]} are not finite" if broken else "the weights are finite"
    listed = ", ".join(f"{name}={value:.6g}" for name, value in values.items())
    raise NonFiniteError(
        f"evaluation gives {listed}; {where}: look at the data,"
        " or train with a lower learning rate in another workdir"
    )
