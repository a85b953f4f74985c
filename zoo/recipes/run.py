"""`zoo reproduce`: from a recipe to a record, by one command that resumes where it stopped."""

import functools
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from zoo import recipes
from zoo.checks import check_numbers
from zoo.environment import import_tensorflow
from zoo.files import check_writable, nan_to_null
from zoo.log import log_message
from zoo.recipes import curves, evaluate, loading, records, seeds
from zoo.recipes.environment import environment, peak_mb
from zoo.recipes.recipe import Recipe
from zoo.training.workdir import RUNS

RECORD = "record.json"  # in the folder of a run


def reproduce(
    recipe: str | Recipe,
    budget: str | None = None,
    results: str | Path = records.RESULTS,
    workdir: str | Path | None = None,
    num_seeds: int = 1,
) -> records.Record:
    """Trains and evaluates a recipe and writes a record; resumes where it stopped.

    Args:
        recipe: a name, or a `zoo.recipes.Recipe`.
        budget: a name of `recipe.budgets`; default `recipe.default_budget`.
        results: folder of the record, NAME.BUDGET.json.
        workdir: folder of the run; default runs/reproduce/NAME-BUDGET.
        num_seeds: number of runs. Run i has the recipe's seed + i; the folder of the first is
            `workdir`, of the others WORKDIR-seed1, ... The record has each run and the means over
            runs. With several, those that are complete and evaluated are not evaluated again.

    Returns the `recipes.records.Record`.

    Raises before anything is trained: DataNotPreparedError; UsageError if the folder holds a run of
    other settings; WriteError if the record could not be written. KeyboardInterrupt after a signal
    (the step was finished and saved).
    """
    check_numbers(num_seeds=num_seeds)
    recipe = recipe if isinstance(recipe, Recipe) else recipes.get(recipe)
    budget = budget or recipe.default_budget
    recipe.budget(budget)  # raises for an unknown one
    file = Path(results) / f"{recipe.name}.{budget}.json"
    check_writable(file)
    workdir = Path(workdir or RUNS / "reproduce" / f"{recipe.name}-{budget}")
    if num_seeds == 1:
        record = _run(recipe, budget, workdir)
        return records.write(file, dict(record), records.all_values(record))
    runs = []
    for number in range(num_seeds):
        one = replace(recipe, seed=recipe.seed + number)
        folder = workdir.with_name(f"{workdir.name}-seed{number}") if number else workdir
        log_message(f"{recipe.name}, seed {one.seed}: run {number + 1} of {num_seeds}")
        runs.append(_evaluated(one, budget, folder) or _run(one, budget, folder))
    return records.write(file, *seeds.combine(runs))


def _evaluated(recipe: Recipe, budget: str, workdir: Path) -> records.Record | None:
    """The record of a run that is complete and evaluated; None if it must be run."""
    path = workdir / RECORD
    if not path.exists():
        return None
    record = records.read(path)
    if (record["budget"], record["recipe"]) != (budget, _to_json(recipe)):
        return None
    log_message(f"{path} has its metrics; remove it to evaluate again")
    return record


def _to_json(recipe: Recipe) -> dict[str, Any]:
    return json.loads(json.dumps(nan_to_null(asdict(recipe))))


def _run(recipe: Recipe, budget: str, workdir: Path) -> records.Record:
    """Trains and evaluates with one seed; the record is in the folder of the run."""
    import_tensorflow()
    from zoo import threads
    from zoo.training.run_building import load_data
    from zoo.training.run_training import load_best_epoch, locked, prepare_run, train_run
    from zoo.training.training_time import TrainingTime

    config = recipe.run_config(budget)
    training_time = TrainingTime(workdir / "seconds.json")
    prepared = prepare_run(config, workdir, loading.load, [training_time])
    arguments = prepared.trainer.model.get_config()
    load_split = functools.partial(load_data, config, arguments=arguments)
    evaluate.check_feasible(recipe, budget, prepared.train, prepared.test, load_split)
    facts = environment()
    with locked(prepared):
        train_run(prepared, f"zoo reproduce {recipe.name} --budget {budget}")
    trainer = prepared.trainer
    train_seconds = training_time.seconds
    position = dict(trainer.state.position)
    curve = curves.validation_curve(trainer, training_time)
    load_best_epoch(prepared)
    epoch = trainer.state.position["epoch"]
    log_message(f"metrics of {recipe.name}, with the weights after epoch {epoch}")
    began = time.perf_counter()
    entries, values = evaluate.evaluate_recipe(recipe, budget, trainer, load_split, prepared.test)
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
        "curve": curve,
        "peak_mb": peak_mb(),
        "threads": threads.thread_counts(),
        **facts,
        "recipe": asdict(recipe),
    }
    written = records.write(workdir / RECORD, record, values)
    shutil.rmtree(workdir / evaluate.UNFINISHED, ignore_errors=True)
    return written
