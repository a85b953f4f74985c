"""From the description of a run to its data, its model, its optimizers and its Trainer."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from zoo import finetuning, registry
from zoo.errors import CheckpointError, UsageError, one_line
from zoo.finetuning import weight_transfer
from zoo.log import log_message
from zoo.model import Model
from zoo.optimizers import InverseSquareRoot, WarmUp, optimizer_by_name, unwrap_loss_scale
from zoo.training.run_arguments import infer_from_data
from zoo.training.run_config import RunConfig
from zoo.training.run_folder import Run
from zoo.training.trainer import Trainer

FINAL_RATE = 0.01  # of the peak, after a linear or cosine decay


def load_data(
    config: RunConfig,
    split: str | None,
    training: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Any:
    """A split of the data, as the model's class loads it: `zoo.Model.load_data`.

    Args:
        config: the description.
        split: in TFDS syntax.
        training: whether it is the training data: shuffled and augmented.
        arguments: arguments of the model, including those computed from the training split, such
            as a vocabulary; None: those of the description, the others computed now.

    Raises UsageError: the data are unknown. Also raises the errors of `zoo.data.load`.
    """
    if config.data is None:
        raise UsageError(
            f"the data of this run of {config.model} did not come from zoo.data: name data with"
            " --data"
        )
    if split is None:
        raise UsageError(f"this run of {config.model} has no test split: name one with --split")
    cls = registry.get_class(config.model)
    arguments = arguments or config.config
    if split != config.train and {*cls.fitted_arguments} - arguments.keys():
        arguments = {**arguments, **cls.arguments_from_data(load_data(config, config.train))}
    options: dict[str, Any] = config.data_options(cls.data_options)
    dropped = True if config.micro_batches > 1 else config.drop_remainder
    if dropped is not None or not training:
        options["drop_remainder"] = training and dropped
    return cls.load_data(
        config.data,
        split,
        training=training,
        arguments=arguments,
        batch_size=config.batch_size,
        seed=config.seed,
        **options,
    )


def build_model(
    config: RunConfig, data: Any = None, init: Model | None = None, steps_per_epoch: int = 0
) -> Model:
    """The model with initial weights from the seed, or as far as they fit from `init`.

    Args:
        config: the description.
        data: decides `image_shape`, the vocabularies and the classes; None: the arguments do.
        init: a model with the weights that `config.init` names; None: a run is resumed or opened.
        steps_per_epoch: training steps in an epoch, which a warm-up of the KL weight depends on.
    """
    keras.utils.set_random_seed(config.seed)
    arguments = _deserialize(config.model, config.config)
    if warmup := config.kl_warmup_steps(steps_per_epoch):
        arguments["kl_weight"] = keras.optimizers.schedules.PolynomialDecay(0.0, warmup, 1.0)
    if data is not None:
        arguments = infer_from_data(config.model, arguments, data)
    model = registry.build(config.model, dtype=config.precision, **arguments)
    if init is not None:
        _load_initial_weights(model, init, config)
    if config.freeze:
        finetuning.freeze(model, *config.freeze)
    return model


def _deserialize(model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments of a model, with serialized objects deserialized."""
    registry.get_class(model)  # also registers the classes of these objects
    return registry.deserialize(arguments)


def _load_initial_weights(model: Model, init: Model, config: RunConfig) -> None:
    """Copies the weights that fit and logs a report, with the arguments that differ if some do not.

    Raises UsageError: no weight fits.
    """
    settings = _different_arguments(model, init)
    note = f"; the arguments of {config.init} are {' '.join(settings)}" if settings else ""
    try:
        report = weight_transfer.transfer_weights(model, init)
    except UsageError as error:
        raise UsageError(f"{error}{note}") from error
    log_message(f"{config.model} from {config.init}, {report}{note if report.missing else ''}")


def _different_arguments(model: Model, init: Model) -> list[str]:
    """The arguments of another model of the same class where they differ, as options."""
    if type(init) is not type(model):
        return []
    old, new = (json.loads(json.dumps(each.get_config())) for each in (init, model))
    names = sorted(registry.arguments(type(model)).keys() - {*model.inferred_arguments})
    return [f"--set {name}={old[name]}" for name in names if old[name] != new[name]]


def build_optimizers(
    config: RunConfig, model: Model, steps: int
) -> dict[str, keras.optimizers.Optimizer]:
    """Part -> optimizer: the model's own or the named one, with the settings of the description.

    Args:
        config: the description.
        model: decides the parts.
        steps: total steps of training, after which a schedule ends.
    """
    own = model.configure_optimizers()
    rates = config.learning_rate
    if isinstance(rates, dict) and rates.keys() != own.keys():
        if [*own] == [""]:
            raise UsageError(
                f"{config.model} has one learning rate, got {[*rates]}: give a single number"
            )
        raise UsageError(
            f"{config.model} needs learning rates for {[*own]}, got {[*rates]}: give one for each"
            " part, or a single number"
        )
    return {
        part: _build_optimizer(
            config,
            optimizer_by_name(config.optimizer) if config.optimizer else optimizer,
            rates[part] if isinstance(rates, dict) else rates,
            steps,
        )
        for part, optimizer in own.items()
    }


def _build_optimizer(config: RunConfig, base: Any, rate: float | None, steps: int) -> Any:
    """An optimizer like `base` with the settings of the description."""
    own = unwrap_loss_scale(base).get_config()
    settings: dict[str, Any] = {}
    if rate is not None or config.schedule != "constant" or config.warmup:
        settings["learning_rate"] = _schedule(config, own["learning_rate"], rate, steps)
    if config.betas != (0.9, 0.999):
        if "beta_1" not in own:
            raise UsageError(f"{type(base).__name__} has no betas: leave them out")
        settings |= {"beta_1": config.betas[0], "beta_2": config.betas[1]}
    if config.weight_decay is not None:
        settings["weight_decay"] = config.weight_decay
    if config.clip_norm is not None:
        settings["global_clipnorm"] = config.clip_norm
    if config.ema_momentum is not None:
        settings |= {"use_ema": True, "ema_momentum": config.ema_momentum}
    if config.accumulate > 1:
        settings["gradient_accumulation_steps"] = config.accumulate
    return type(base).from_config(own | settings) if settings else base


def _schedule(config: RunConfig, own: Any, rate: float | None, steps: int) -> Any:
    """The learning rate, or its schedule."""
    peak = own if rate is None else rate
    if not isinstance(peak, int | float):
        raise UsageError(
            f"the optimizer of {config.model} already has a schedule: give the peak learning rate"
            " of the new one (learning_rate=)"
        )
    schedules = keras.optimizers.schedules
    if config.schedule == "inverse_sqrt":
        return InverseSquareRoot(peak, config.warmup)
    decay_steps = max(1, steps - config.warmup)
    schedule: Any = peak
    if config.schedule == "cosine":
        schedule = schedules.CosineDecay(peak, decay_steps, alpha=FINAL_RATE)
    elif config.schedule == "linear":
        schedule = schedules.PolynomialDecay(peak, decay_steps, peak * FINAL_RATE)
    return WarmUp(schedule, config.warmup) if config.warmup else schedule


def build_trainer(
    config: RunConfig,
    model: Model,
    workdir: Any = None,
    steps_per_epoch: int = 0,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    strategy: tf.distribute.Strategy | None = None,
    **options: Any,
) -> Trainer:
    """The trainer of a run, before it restores what the run has saved.

    Args:
        config: the description.
        model: the result of `build_model`, made in the scope of the strategy.
        workdir: folder of the run.
        steps_per_epoch: training steps in an epoch, which schedules depend on.
        callbacks: callbacks in addition to the one for `config.patience`.
        strategy: the result of `build_strategy`.
        **options: options of `zoo.Trainer`.
    """
    callbacks = [*callbacks]
    if config.patience is not None:
        name = config.monitor or "val_loss"
        mode = "max" if name.startswith("max:") else "min"
        metric = name.removeprefix("max:")
        callbacks.append(keras.callbacks.EarlyStopping(metric, patience=config.patience, mode=mode))
    settings: dict[str, Any] = {
        "optimizers": build_optimizers(config, model, config.total_steps(steps_per_epoch)),
        "micro_batches": config.micro_batches,
        "jit_compile": config.jit_compile,
        "seed": config.seed,
        "monitor": config.monitor,
        "save_every": config.save_every,
        "figures_every": config.figures_every,
    }
    return Trainer(model, workdir, callbacks=callbacks, strategy=strategy, **settings | options)


def build_strategy(name: str | None) -> tf.distribute.Strategy:
    """The strategy of that name; "multi_worker" follows the environment variable TF_CONFIG.

    It must be made before TensorFlow computes anything.
    """
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def build_saved_model(run: Run) -> Model:
    """The model of a run with initial weights; raises CheckpointError if it cannot be built."""
    if run.arguments is None:
        raise CheckpointError(
            f"{run.workdir} has no constructor arguments of its {run.config.model}: Keras could not"
            " serialize them, or it is an unfinished run of zoo 0.1. Give the model to"
            " zoo.Trainer in Python, or finish the run with the command that began it"
        )
    try:
        arguments = _deserialize(run.config.model, run.arguments)
        return registry.build(run.config.model, dtype=run.config.precision, **arguments)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{run.workdir} cannot be opened: {one_line(error)}") from error


def open_run(run: Run, best: bool = False) -> Trainer:
    """The trainer of a run with the state of its last checkpoint, or of its best epoch.

    It needs no data. Raises CheckpointError: the run cannot be built here.
    """
    model = build_saved_model(run)
    if run.config.freeze:
        finetuning.freeze(model, *run.config.freeze)
    options: dict[str, Any] = {}
    if run.optimizers:
        options["optimizers"] = {
            part: keras.optimizers.deserialize(value) for part, value in run.optimizers.items()
        }
    trainer = build_trainer(run.config, model, run.workdir, **options)
    trainer.restore(best=best or run.config.select_best_epoch)
    return trainer
