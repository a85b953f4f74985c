"""Finds the origin of a NaN or infinity: replays a run from its last saved state."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zoo import inspection
from zoo.data.array_dataset import as_tf_dataset
from zoo.errors import NonFiniteError

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer


def to_floats(values: dict[str, Any]) -> dict[str, float]:
    """Scalar tensors as floats, sorted by name, since eager steps and graphs differ in order."""
    return {name: float(values[name]) for name in sorted(values)}


def raise_non_finite(
    trainer: "Trainer", run: Callable[[Any], dict[str, Any]], train: Any, last_step: int
) -> None:
    """Replays the steps since the last saved state, up to the first with a non-finite value.

    Leaves the model and the position in the data as they were before that step.

    Args:
        trainer: the trainer; its `persistence` has the last saved state.
        run: the training step.
        train: the training data.
        last_step: number of the step at which a loss or a weight was not finite.

    Raises:
        NonFiniteError: always.
    """
    state = trainer.state
    distribution = trainer.distribution
    state.load(*trainer.persistence.last_saved)
    epoch = state.position["epoch"]
    start = state.position["step_in_epoch"]
    replay = as_tf_dataset(train, epoch).skip(start).take(last_step - state.position["step"])
    for batch in distribution.distribute(trainer.model.check_dataset(replay)):
        before = state.arrays()
        logs = to_floats(run(batch))
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad or not state.is_finite():
            state.assign(before)
            step = state.position["step"] + 1
            inspected = trainer.inspect(batch) if distribution.num_replicas == 1 else None
            raise NonFiniteError(
                f"{', '.join(bad) or 'the gradient'} not finite at step {step}, epoch"
                f" {epoch + 1}; {_reason(inspected)}. The model is as it was before this step;"
                f" checkpoints are untouched. {_ADVICE}"
            )
        state.advance(logs)
    state.load(*trainer.persistence.last_saved)
    raise NonFiniteError(
        f"a loss or a weight was not finite at step {last_step}, epoch {epoch + 1}, but finite when"
        " the steps were repeated: the order of the data is not reproducible. The model is as at"
        f" step {state.position['step']}; checkpoints are untouched. {_ADVICE}"
    )


_ADVICE = (
    "Try a lower learning rate, or clipping: keras.optimizers.Adam(1e-4, global_clipnorm=1.0)."
    " A run keeps its optimizer, so use another workdir for that"
)


def _reason(inspected: inspection.Inspection | None) -> str:
    if inspected:
        return inspected.explain_non_finite()
    return "the layer is unknown under a distribution strategy"


def check_finite(model: "Model", values: dict[str, float]) -> None:
    """Checks that all metrics of an evaluation are finite.

    Raises:
        NonFiniteError: one is not; the message has all values.
    """
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return
    paths = inspection.variable_paths(model)
    weights = [paths[id(v)] for v in model.variables if not inspection.is_finite(v)]
    reason = f"the weights {weights[0]} are not finite" if weights else "the weights are finite"
    metrics = ", ".join(f"{name}={value:.6g}" for name, value in values.items())
    raise NonFiniteError(
        f"evaluation gives {metrics}; {reason}: check the data,"
        " or train with a lower learning rate in another workdir"
    )
