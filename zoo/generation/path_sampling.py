"""Following a path with a model: the functions that are compiled, and checks of their arguments."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from blocks.probability_paths import resolve_object
from blocks.solvers import SOLVERS, ODESolver, Solver, follow, follow_all, log_density
from zoo.checks import NUMBERS, check_numbers
from zoo.errors import UsageError, one_line
from zoo.model.method_arguments import convert_labels

MAX_STEPS = int(NUMBERS["sampling_steps"].maximum)


class GraphCache:
    """Graphs of functions of a model; Keras does not track it, so they are not saved."""

    def __init__(self) -> None:
        self._graphs: dict[Any, Callable] = {}
        self._variables: list[Any] = []

    def compile(self, function: Callable, model: Any, *settings: Any) -> Callable:
        """`function(model, *settings, ...)` as a graph, a function of the remaining arguments.

        It is traced once for the same settings and kinds of arguments, and again when the model
        gets other variables.
        """
        variables = [*model.variables]
        if len(variables) != len(self._variables) or any(
            new is not old for new, old in zip(variables, self._variables, strict=True)
        ):
            self._graphs.clear()
            self._variables = variables
        key = (function, *(_constant_value(value) for value in settings))
        if key not in self._graphs:
            graph = tf.function(functools.partial(function, model, *settings), autograph=False)
            self._graphs[key] = functools.partial(_call_for_any_length, graph)
        return self._graphs[key]


def _constant_value(value: Any) -> Any:
    """A key for a value: an object whose attributes change needs another graph."""
    return (value, *value.get_config().items()) if isinstance(value, Solver) else value


def _call_for_any_length(graph: Any, *args: Any) -> Any:
    """Calls a `tf.function` that is traced once for tensors of any length, seeds excepted."""
    if tf.config.functions_run_eagerly():
        return graph(*args)
    specs = [
        arg if arg is None else tf.TensorSpec(_any_length(arg.shape, arg.dtype), arg.dtype)
        for arg in args
    ]
    return graph.get_concrete_function(*specs)(*(arg for arg in args if arg is not None))


def _any_length(shape: tf.TensorShape, dtype: tf.DType) -> list[int | None]:
    is_seed = dtype == tf.int32
    return [*shape] if is_seed or not shape.rank else [None, *shape[1:]]


def follow_path(
    model: Any,
    solver: Solver,
    all_states: bool,
    x: tf.Tensor,
    times: tf.Tensor,
    seed: tf.Tensor | None = None,
    labels: tf.Tensor | None = None,
    guidance: tf.Tensor | None = None,
    data: tf.Tensor | None = None,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """Follows the model's predictions from x [b, ...] at the first of `times` to the last.

    Args:
        model: a `DiffusionModel`.
        solver: takes one step, from one time to the next.
        all_states: return the states at all times, [steps + 1, b, ...].
        x: noise, or data for `times` in the other direction.
        times: float32 [steps + 1].
        seed: int32[2], for solvers that add noise.
        labels, guidance: as in `DiffusionModel.components`.
        data, mask: where the mask [b, ...] is False, the state follows the path to these data.
    """
    path = model.probability_path
    seed = tf.zeros(2, tf.int32) if seed is None else seed

    def predict(x: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return model.components(x, t, labels, guidance)

    def step(y: tf.Tensor, t: tf.Tensor, next_t: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        step_seed = tf.random.experimental.stateless_fold_in(seed, index + 1)
        y = solver.step(predict, path, y, t, next_t, step_seed)
        return y if mask is None else tf.where(mask, y, path.interpolate(data, x, next_t))

    return (follow_all if all_states else follow)(step, x, times)


def path_density(
    model: Any, solver: ODESolver, x: tf.Tensor, times: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """The log density of data [b, ...] under the model's flow, [b]; `times` from data to noise."""
    return log_density(solver, model.components, model.probability_path, x, times, seed)


def resolve_solver(
    model: Any, sampler: str | Solver | None, steps: int | None
) -> tuple[Solver, tf.Tensor]:
    """(solver, times from noise to data) for arguments of a model's methods.

    Raises:
        UsageError: an unknown sampler, one that cannot follow the model's path or is not a
            constant value, or no steps.
    """
    steps = model.sampling_steps if steps is None else steps
    interval = NUMBERS["sampling_steps"]
    if not interval.accepts(steps):
        raise UsageError(f"steps must be {interval.expected(steps)}, got {steps!r:.80}")
    try:
        sampler = model.sampler if sampler is None else sampler
        solver = resolve_object(sampler, SOLVERS, Solver, "sampler")
        solver.check_path(model.probability_path, int(steps))
        hash(_constant_value(solver))
    except ValueError as error:
        raise UsageError(f"{model.name}: {one_line(error)}") from error
    except TypeError as error:
        raise UsageError(
            f"{model.name}: the sampler {solver!r:.80} has no hash: decorate its class with"
            " @dataclass(frozen=True), and use tuples instead of lists and arrays"
        ) from error
    solver = solver if model.generates_pixels else solver.without_clip()
    return solver, model.probability_path.times(int(steps))


def sampling_conditions(
    model: Any, n: int | tf.Tensor, label: tf.Tensor | None, guidance: float
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """(labels of `n` images, scale of the guidance); None where there is none.

    Args:
        label: one for all, one for each, or None: each class in turn.
    """
    check_guidance(model, guidance)
    if not model.num_classes:
        return None, None
    labels = tf.range(n, dtype=tf.int64) % model.num_classes if label is None else label
    labels = tf.cast(tf.broadcast_to(labels, [n]), tf.int64)
    return labels, None if guidance == 1 else tf.constant(guidance, tf.float32)


def inpainting_conditions(
    model: Any, x: tf.Tensor, label: Any, guidance: float
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """`sampling_conditions` of images x to change: without `label` they have no class.

    Raises:
        UsageError: also for guidance without a label, or a model that needs one.
    """
    n = len(x)
    check_guidance(model, guidance)
    if label is not None:
        return sampling_conditions(model, n, convert_labels(model, "label", label, n), guidance)
    if guidance != 1:
        raise UsageError(f"inpaint with guidance={guidance} needs a label")
    model.require_unconditional("inpaint without a label")
    labels = model.no_labels(x) if model.num_classes else None
    return sampling_conditions(model, n, labels, guidance)


def check_guidance(model: Any, guidance: float) -> None:
    """Raises UsageError unless the model can be sampled with this scale of guidance."""
    check_numbers(guidance=guidance)
    if guidance == 1:
        return
    if not model.num_classes:
        raise UsageError(
            f"{model.name} has no classes, so guidance={guidance} would have no effect: leave it"
            " out, or train a model with num_classes on data with labels"
        )
    if not model.label_dropout:
        raise UsageError(
            f"{model.name} was trained with label_dropout=0, and guidance also needs predictions"
            " without a label: leave it out, or train with label_dropout=0.1"
        )


def convert_mask(model: Any, mask: Any, n: int) -> tf.Tensor:
    """The mask of `n` images as bool [n or 1, rows, columns, 1].

    Raises:
        UsageError: another shape, or values that are not True and False.
    """
    size = model.image_shape[:2]
    try:
        values = np.asarray(mask)
    except ValueError as error:
        raise UsageError(f"mask must be one array of shape {size}: {one_line(error)}") from error
    if values.shape not in (size, (n, *size)):
        raise UsageError(
            f"mask must be of shape {size}, or {(n, *size)} with one for each image, got"
            f" {values.shape}"
        )
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise UsageError("mask must hold True (pixels to generate) and False, got other numbers")
    return tf.constant(values.reshape(-1, *size, 1).astype(bool))
