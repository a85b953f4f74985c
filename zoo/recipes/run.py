"""`zoo reproduce`: from a recipe to a record, by one command that resumes where it stopped."""

import functools
import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import factory, recipes, registry
from zoo.environment import import_tensorflow
from zoo.errors import UsageError, one_line
from zoo.files import check_writable, write_json
from zoo.log import log_message
from zoo.recipes import evaluate, records
from zoo.recipes.environment import environment, peak_mb
from zoo.recipes.recipe import Recipe
from zoo.training.workdir import RUNS, Workdir, differences

if TYPE_CHECKING:
    import keras

    from zoo.data.array_dataset import ArrayDataset
    from zoo.data.text_dataset import TextDataset
    from zoo.model import Model
    from zoo.training.trainer import Trainer

BUDGETS = ("smoke", "cpu-hour", "paper")


def reproduce(
    recipe: str | Recipe,
    budget: str = "cpu-hour",
    results: str | Path = records.RESULTS,
    workdir: str | Path | None = None,
) -> records.Record:
    """Trains and evaluates a recipe and writes a record; resumes where it stopped.

    Args:
        recipe: a name, or a `zoo.recipes.Recipe`.
        budget: "smoke", "cpu-hour" or "paper".
        results: folder of the record, NAME.BUDGET.json.
        workdir: folder of the run; default runs/reproduce/NAME-BUDGET.

    Returns the `recipes.records.Record`. The evaluated model is saved as `model.keras` in the
    run's folder.

    Raises before anything is trained: DataNotPreparedError; UsageError if the folder holds a run of
    other settings; WriteError if the record could not be written. KeyboardInterrupt after a signal
    (the step was finished and saved).
    """
    import_tensorflow()
    from zoo import threads

    recipe = recipe if isinstance(recipe, recipes.Recipe) else recipes.get(recipe)
    file = Path(results) / f"{recipe.name}.{budget}.json"
    recipe.budget(budget)
    check_writable(file)
    workdir = Path(workdir or RUNS / "reproduce" / f"{recipe.name}-{budget}")
    check_same_run(workdir, recipe.training(budget))
    train_split, valid_split, test_split = recipe.splits(budget)
    train = load_split(recipe, train_split, training=True)
    arguments = registry.get_class(recipe.model).arguments_from_data(train)
    load_fixed = functools.partial(load_split, recipe, arguments=arguments)
    valid = load_fixed(valid_split) if valid_split else None
    test = load_fixed(test_split)
    evaluate.check_feasible(recipe, budget, train, test)
    facts = environment()
    trainer, train_seconds = train_recipe(recipe, budget, workdir, train, valid)
    position = dict(trainer.state.position)
    if recipe.select_best_epoch:
        trainer.restore(best=True)
    epoch = trainer.state.position["epoch"]
    log_message(f"evaluating {recipe.name} with the weights after epoch {epoch}")
    began = time.perf_counter()
    load_train = functools.partial(load_fixed, train_split)
    entries, values = evaluate.evaluate_recipe(recipe, budget, trainer, load_train, test)
    with trainer.averaged_weights() as model:
        save_model(model, workdir / "model.keras")
    record = {
        "kind": "reproduction",
        "name": recipe.name,
        "budget": budget,
        "protocol": recipe.protocol(budget),
        "metrics": entries,
        "epochs": position["epoch"],
        "steps": position["step"],
        "evaluated_epoch": epoch,
        "train_seconds": train_seconds,
        "seconds": train_seconds + time.perf_counter() - began,
        "peak_mb": peak_mb(),
        "threads": threads.thread_counts(),
        **facts,
        "recipe": asdict(recipe),
    }
    return records.write(file, record, values)


# Training.


def train_recipe(
    recipe: Recipe,
    budget: str,
    workdir: Path,
    train: "ArrayDataset | TextDataset",
    valid: "ArrayDataset | TextDataset | None",
) -> "tuple[Trainer, float]":
    """(trainer, seconds of training) of a finished run; resumes one that is not finished."""
    import keras

    from zoo.training.callbacks import TrainingTime

    limits = recipe.budget(budget)
    training_time = TrainingTime(workdir / "seconds.json")
    callbacks = [training_time]
    if limits.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=limits.patience))
    trainer = build_trainer(recipe, budget, workdir, train, callbacks)
    write_json(workdir / "recipe.json", recipe.training(budget))
    trainer.restore()
    position = trainer.state.position
    if position["epoch"] >= limits.epochs or trainer.state.ended:
        log_message(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
        return trainer, training_time.seconds
    log_message(
        f"training {recipe.name} on {train.describe()}; {workdir}, from step {position['step']}"
    )
    try:
        trainer.fit(train, epochs=limits.epochs, validation=valid)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted at step {position['step']}; run the same command again to resume"
        ) from error
    return trainer, training_time.seconds


def build_trainer(
    recipe: Recipe,
    budget: str,
    workdir: Path,
    train: "ArrayDataset | TextDataset",
    callbacks: "Iterable[keras.callbacks.Callback]" = (),
) -> "Trainer":
    """The trainer of a run, before it restores what the run has saved."""
    from zoo.training.trainer import Trainer

    epochs = recipe.budget(budget).epochs
    return Trainer(
        build_model(recipe, epochs, train),
        workdir,
        optimizers=build_optimizers(recipe, epochs * len(train)),
        callbacks=callbacks,
        micro_batches=recipe.micro_batches,
        jit_compile=recipe.jit_compile,
        seed=recipe.seed,
        save_every=1000,
        figures_every=max(1, epochs // 10),
    )


def load_split(
    recipe: Recipe, split: str, training: bool = False, arguments: dict[str, Any] | None = None
) -> "ArrayDataset | TextDataset":
    """A split of the data: shuffled for training, otherwise complete, in order and fixed.

    Args:
        recipe: with the data.
        split: in TFDS syntax.
        training: whether it is the training data.
        arguments: what follows from the training split, such as vocabularies; besides the recipe's
            own, such as the length of a context.
    """
    cls = registry.get_class(recipe.model)
    options = {k: getattr(recipe, k) for k in cls.data_options if hasattr(recipe, k)}
    return cls.load_data(
        recipe.data,
        split,
        training=training,
        arguments=recipe.config | (arguments or {}),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        drop_remainder=training,
        **options | (asdict(recipe.text_config) if recipe.text_config else {}),
    )


def build_model(recipe: Recipe, epochs: int, train: Any) -> "Model":
    """The model, with its KL warm-up if there is one, and the vocabularies of the data."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    config = dict(recipe.config)
    warmup = recipe.kl_warmup_epochs
    if warmup:
        steps = round((warmup if warmup >= 1 else warmup * epochs) * len(train))
        config["kl_weight"] = keras.optimizers.schedules.PolynomialDecay(0.0, max(1, steps), 1.0)
    cls = registry.get_class(recipe.model)
    if cls.fitted_arguments:
        config |= cls.arguments_from_data(train)
    return factory.get(recipe.model, **config)


def build_optimizers(
    recipe: Recipe, steps: int
) -> "keras.optimizers.Optimizer | dict[str, keras.optimizers.Optimizer] | None":
    """Adam with the recipe's rate, one per part if there are several; None: the model's own."""
    rate = recipe.learning_rate
    if isinstance(rate, dict):
        return {part: _build_adam(recipe, part_rate, steps) for part, part_rate in rate.items()}
    return None if rate is None else _build_adam(recipe, rate, steps)


def _build_adam(recipe: Recipe, rate: Any, steps: int) -> Any:
    """Adam with the recipe's schedule, clipping and moving average."""
    import keras

    from zoo.optimizers import Adam

    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)
    return Adam(
        rate,
        *recipe.betas,
        global_clipnorm=recipe.clip_norm,
        use_ema=recipe.ema_momentum is not None,
        ema_momentum=0.99 if recipe.ema_momentum is None else recipe.ema_momentum,
    )


def check_same_run(workdir: Path, training: dict[str, Any]) -> None:
    """Raises UsageError, listing the differences, if the folder holds a run of other settings."""
    if not Workdir(workdir).checkpoints.paths():
        return
    saved = _saved_recipe(workdir / "recipe.json")
    differing = differences(saved, training)
    if differing or not saved:
        old = ", ".join(text for text, _ in differing)
        old = old or "no recipe.json, as another command made it"
        new = ", ".join(text for _, text in differing) or "a recipe"
        raise UsageError(
            f"the run in {workdir} has {old}, got {new}: move that folder away to train again, or"
            " use another --workdir"
        )


def _saved_recipe(path: Path) -> dict[str, Any]:
    """The content of a run's recipe.json, {} without the file; raises RecordError if damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}")
    except FileNotFoundError:
        return {}
    except Exception as error:  # damaged JSON may raise anything
        raise records.RecordError(
            f"{path} is damaged ({one_line(error)}), so the recipe of the run is unknown: move"
            f" {path.parent} away to train again, or use another --workdir"
        ) from error
    return content


def save_model(model: "Model", path: Path) -> None:
    """Writes a .keras file, all or nothing."""
    unfinished = path.with_name(f".{path.name}.tmp{path.suffix}")  # Keras requires the suffix
    model.save(unfinished)
    unfinished.replace(path)
