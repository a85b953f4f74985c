"""`zoo reproduce`: from a recipe to a record, by one command that goes on where it stopped."""

import functools
import json
import time
from dataclasses import asdict
from pathlib import Path

from zoo import data as datasets
from zoo import factory, recipes
from zoo.data.text_config import vocabulary_arguments
from zoo.environment import import_tensorflow
from zoo.errors import UsageError, one_line
from zoo.files import check_writable, write_json
from zoo.log import log_message
from zoo.recipes import evaluate, records
from zoo.recipes.memory import peak_mb
from zoo.training.workdir import RUNS, Workdir, differences

BUDGETS = ("smoke", "cpu-hour", "paper")


def reproduce(recipe, budget="cpu-hour", results=records.RESULTS, workdir=None):
    """Trains, evaluates and writes down what a recipe says; goes on where it stopped.

    Args:
        recipe: a name, or a `zoo.recipes.Recipe`.
        budget: "smoke", "cpu-hour" or "paper".
        results: folder that gets the record, NAME.BUDGET.json.
        workdir: folder of the run; default runs/reproduce/NAME-BUDGET.

    Returns the `recipes.records.Record`. The folder of the run gets `model.keras`, as measured.

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
    check_same(workdir, recipe.training(budget))
    train, valid, test = recipe.splits(budget)
    shown = load(recipe, train, training=True)
    looked = functools.partial(load, recipe, vocabulary=getattr(shown, "vocabularies", None))
    data = shown, valid and looked(valid), looked(test)
    evaluate.check(recipe, budget, data[0], data[2])
    facts = records.circumstances()
    trainer, train_seconds = trained(recipe, budget, workdir, *data[:2])
    position = dict(trainer.state.position)
    if recipe.best:
        trainer.restore(best=True)
    at = trainer.state.position["epoch"]
    log_message(f"evaluating {recipe.name} as it was after epoch {at}")
    began = time.perf_counter()
    known = functools.partial(looked, train)
    numbers, values = evaluate.evaluated(recipe, budget, trainer, known, data[2])
    with trainer.averaged_weights() as model:
        save_model(model, workdir / "model.keras")
    record = {
        "kind": "reproduction",
        "name": recipe.name,
        "budget": budget,
        "protocol": recipe.protocol(budget),
        "metrics": numbers,
        "epochs": position["epoch"],
        "steps": position["step"],
        "evaluated_epoch": at,
        "train_seconds": train_seconds,
        "seconds": train_seconds + time.perf_counter() - began,
        "peak_mb": peak_mb(),
        "threads": threads.thread_counts(),
        **facts,
        "recipe": asdict(recipe),
    }
    return records.write(file, record, values)


# Training.


def trained(recipe, budget, workdir, train, valid):
    """(trainer, seconds of training) of a run that is complete."""
    import keras

    from zoo.training.callbacks import TrainingTime

    spent = recipe.budget(budget)
    stopwatch = TrainingTime(workdir / "seconds.json")
    callbacks = [stopwatch]
    if spent.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=spent.patience))
    trainer = trainer_of(recipe, budget, workdir, train, callbacks)
    write_json(workdir / "recipe.json", recipe.training(budget))
    trainer.restore()
    position = trainer.state.position
    if position["epoch"] >= spent.epochs or trainer.state.ended:
        log_message(f"{workdir} is complete: {position['epoch']} epochs, {position['step']} steps")
        return trainer, stopwatch.seconds
    log_message(
        f"training {recipe.name} on {train.describe()}; {workdir}, from step {position['step']}"
    )
    try:
        trainer.fit(train, epochs=spent.epochs, validation=valid)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted at step {position['step']}; the same command goes on from there"
        ) from error
    return trainer, stopwatch.seconds


def trainer_of(recipe, budget, workdir, train, callbacks=()):
    """The trainer of a run, before it takes up what the run has saved."""
    spent = recipe.budget(budget)
    from zoo.training.trainer import Trainer

    return Trainer(
        build(recipe, spent.epochs, train),
        workdir,
        optimizers=optimizers(recipe, spent.epochs * len(train)),
        callbacks=callbacks,
        micro_batches=recipe.micro_batches,
        jit_compile=recipe.jit_compile,
        seed=recipe.seed,
        save_every=1000,
        figures_every=max(1, spent.epochs // 10),
    )


def load(recipe, split, training=False, vocabulary=None):
    """A split of the data: shuffled to train on; whole, in order and fixed to look at.

    Texts are cut by a vocabulary, or by the one that they make.
    """
    common = {
        "batch_size": recipe.batch_size,
        "shuffle": training,
        "drop_remainder": training,
        "seed": recipe.seed,
    }
    if recipe.texts:
        return recipe.texts.load(recipe.data, split, vocabulary, **common)
    fixed = recipe.binarize == "dynamic" and not training
    return datasets.load(
        recipe.data,
        split,
        **common,
        binarize="fixed" if fixed else recipe.binarize,
        image_size=recipe.image_size,
        augment=recipe.augment if training else "none",
    )


def build(recipe, epochs, train):
    """The model, with the warm-up of its KL if there is one, and the words of the data."""
    import keras

    keras.utils.set_random_seed(recipe.seed)
    config = dict(recipe.config)
    warmup = recipe.warmup_epochs
    if warmup:
        steps = round((warmup if warmup >= 1 else warmup * epochs) * len(train))
        config["kl_weight"] = keras.optimizers.schedules.PolynomialDecay(0.0, max(1, steps), 1.0)
    if recipe.texts:
        config |= vocabulary_arguments(config, train)
    return factory.get(recipe.model, **config)


def optimizers(recipe, steps):
    """Adam with the recipe's rate, one for each part if there are several; None: the model's."""
    rate = recipe.learning_rate
    if isinstance(rate, dict):
        return {part: adam(recipe, one, steps) for part, one in rate.items()}
    return None if rate is None else adam(recipe, rate, steps)


def adam(recipe, rate, steps):
    """Adam with the recipe's schedule, clipping and moving average."""
    import keras

    from zoo.optimizers import Adam

    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)
    return Adam(
        rate,
        *recipe.betas,
        global_clipnorm=recipe.clip,
        use_ema=recipe.ema is not None,
        ema_momentum=0.99 if recipe.ema is None else recipe.ema,
    )


def check_same(workdir, training):
    """Raises UsageError, listing what differs, if the folder holds a run of other settings."""
    path = workdir / "recipe.json"
    if not Workdir(workdir).checkpoints.paths():
        return
    had = had_recipe(path)
    other = differences(had, training)
    if other or not had:
        what = ", ".join(text for text, _ in other) or "no recipe.json, as another command made it"
        wanted = ", ".join(text for _, text in other) or "a recipe"
        raise UsageError(
            f"the run in {workdir} has {what}, got {wanted}: move that folder away to train anew,"
            " or use another --workdir"
        )


def had_recipe(path):
    """What a run's recipe.json holds, {} without the file; raises RecordError if it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"it holds a {type(found).__name__}")
    except FileNotFoundError:
        return {}
    except Exception as error:  # what damaged JSON raises cannot be listed
        raise records.RecordError(
            f"{path} is damaged ({one_line(error)}), so that nobody can tell which recipe the run"
            f" was trained by: move {path.parent} away to train again, or use another --workdir"
        ) from error
    return found


def save_model(model, path):
    """Writes a .keras file, all or nothing."""
    unfinished = path.with_name(f".{path.name}.tmp{path.suffix}")  # Keras asks for the suffix
    model.save(unfinished)
    unfinished.replace(path)
