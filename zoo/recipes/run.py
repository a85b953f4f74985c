"""`zoo reproduce`: from a recipe to a record, by one command that resumes where it stopped."""

import functools
import time
from dataclasses import asdict
from pathlib import Path

from zoo import recipes
from zoo.environment import import_tensorflow
from zoo.files import check_writable
from zoo.log import log_message
from zoo.recipes import evaluate, loading, records
from zoo.recipes.environment import environment, peak_mb
from zoo.recipes.recipe import Recipe
from zoo.training.workdir import RUNS

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

    Returns the `recipes.records.Record`.

    Raises before anything is trained: DataNotPreparedError; UsageError if the folder holds a run of
    other settings; WriteError if the record could not be written. KeyboardInterrupt after a signal
    (the step was finished and saved).
    """
    import_tensorflow()
    from zoo import threads
    from zoo.training.callbacks import TrainingTime
    from zoo.training.run_building import load_data
    from zoo.training.run_training import locked, prepare_run, train_run

    recipe = recipe if isinstance(recipe, recipes.Recipe) else recipes.get(recipe)
    file = Path(results) / f"{recipe.name}.{budget}.json"
    config = recipe.run_config(budget)
    check_writable(file)
    workdir = Path(workdir or RUNS / "reproduce" / f"{recipe.name}-{budget}")
    training_time = TrainingTime(workdir / "seconds.json")
    prepared = prepare_run(config, workdir, loading.load, [training_time])
    evaluate.check_feasible(recipe, budget, prepared.train, prepared.test)
    facts = environment()
    with locked(prepared):
        train_run(prepared, f"zoo reproduce {recipe.name} --budget {budget}")
    trainer = prepared.trainer
    train_seconds = training_time.seconds
    position = dict(trainer.state.position)
    if recipe.select_best_epoch:
        trainer.restore(best=True)
    epoch = trainer.state.position["epoch"]
    log_message(f"evaluating {recipe.name} with the weights after epoch {epoch}")
    began = time.perf_counter()
    arguments = trainer.model.get_config()
    load_train = functools.partial(load_data, config, config.train, arguments=arguments)
    entries, values = evaluate.evaluate_recipe(recipe, budget, trainer, load_train, prepared.test)
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
