"""Several seeds of a recipe are one record; a validation curve has the minutes of training."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from record_files import write
from small_recipes import run, tiny

import zoo.recipes
from benchmarks import results_page
from zoo.errors import UsageError
from zoo.metrics.run_groups import interval_of_runs
from zoo.recipes import MetricSpec, curves, evaluate, records, seeds
from zoo.recipes import run as reproduction
from zoo.recipes.record_text import compare_to_reference, format_uncertainty
from zoo.training import training_time
from zoo.training.callbacks import Figures
from zoo.training.training_time import TrainingTime


@pytest.mark.usefixtures("eager_steps")
def test_three_seeds_are_run_or_resumed_and_recorded_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figures, "on_epoch_end", lambda *args: None)  # they take seconds
    bound = MetricSpec("log_likelihood", samples=2)
    recipe = tiny(tmp_path, metrics=(bound,), batch_size=32, seed=4)
    monkeypatch.setitem(zoo.recipes._recipes, "vae.tiny", recipe)
    folder = tmp_path / "runs" / "reproduce"
    second = replace(recipe, seed=5)
    alone = reproduction.reproduce(second, "smoke", "alone", folder / "vae.tiny-smoke-seed1")
    evaluated = []
    evaluate_recipe = evaluate.evaluate_recipe

    def interrupted(recipe, *args):
        evaluated.append(recipe.seed)
        if evaluated == [4, 6]:
            raise KeyboardInterrupt
        return evaluate_recipe(recipe, *args)

    monkeypatch.setattr(evaluate, "evaluate_recipe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduction.reproduce("vae.tiny", "smoke", num_seeds=3)
    shown = run("vae.tiny", "--budget", "smoke", "--seeds", 3)
    assert shown.exit_code == 0, shown.stderr
    assert evaluated == [4, 6, 6] and "vae.tiny, mean of 3 seeds" in shown.stdout
    record = records.read("benchmarks/results/vae.tiny.smoke.json")
    entry = record["metrics"]["iwae_2"]
    assert [each["seed"] for each in record["seeds"]] == [4, 5, 6] and record.num_seeds == 3
    assert record.run(5)["metrics"] == alone["metrics"]
    assert entry["seeds"][1] == alone["metrics"]["iwae_2"]["value"]
    assert entry["value"] == pytest.approx(np.mean(entry["seeds"]))
    assert len(set(entry["seeds"])) == 3 and format_uncertainty(entry).endswith("(3 seeds)")
    values = records.values(record, "iwae_2")
    assert values.shape == (3, 8) and values.mean(1) == pytest.approx(entry["seeds"], rel=1e-5)
    folders = sorted(folder.iterdir())
    assert [path.name.removeprefix("vae.tiny-smoke") for path in folders] == [
        "",
        "-seed1",
        "-seed2",
    ]
    assert not (folders[0] / evaluate.UNFINISHED).exists()
    assert reproduction._evaluated(second, "smoke", folders[1])
    for changes in ({"title": "another"}, {"seed": 7}):
        assert not reproduction._evaluated(replace(second, **changes), "smoke", folders[1])


def some_runs(folder, *values, seed=0, **changes):
    """Records of single runs, as they lie in the folders of runs."""
    return [
        write(
            folder / str(number),
            values=each,
            recipe={"seed": seed + number, "references": [], "limitations": ""},
            **{"steps": 9, "evaluated_epoch": 3, "seconds": 130.0, "curve": None} | changes,
        )
        for number, each in enumerate(values)
    ]


def combined(folder, runs, name="both.json"):
    return records.write(folder / name, *seeds.combine(runs))


def test_the_interval_over_seeds_is_that_of_students_t(tmp_path):
    low, high = interval_of_runs([1.0, 2.0, 4.5])
    half = 4.302653 * np.std([1.0, 2.0, 4.5], ddof=1) / np.sqrt(3)  # t of two degrees, 97.5 %
    assert (low, high) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-6)
    record = combined(tmp_path, some_runs(tmp_path, [1.0, 2.0], [1.5, 2.5]))
    entry = record["metrics"]["iwae_5"]
    assert entry["value"] == 1.75 and entry["seeds"] == [1.5, 2.0]
    assert record["train_seconds"] == 120 and record["metrics"]["active_units"]["value"] == 7
    reference = {"value": 9.0, "protocol": "some; IWAE-5", "plus_minus": 0}
    assert compare_to_reference(record, reference) == "BETTER"
    with pytest.raises(UsageError, match=r"has runs with the seeds \[0, 1\], got 7"):
        record.run(7)


def test_records_of_several_seeds_are_compared_with_their_seeds(tmp_path):
    a = combined(tmp_path, some_runs(tmp_path / "a", [1.0, 2.0, 4.0], [1.1, 2.3, 4.1]), "a.json")
    b = combined(tmp_path, some_runs(tmp_path / "b", [2.0, 3.0, 5.1], [2.2, 3.0, 5.3]), "b.json")
    found = records.compare(a, b, "iwae_5")
    assert found.runs == (2, 2) and found.difference == pytest.approx(-1.0166666)
    single = some_runs(tmp_path / "c", [2.0, 3.5, 5.0])[0]
    one = records.compare(a, single, "iwae_5")
    assert one.runs == (1, 1) and one.difference == pytest.approx(-3.5 / 3)


def test_the_time_to_a_target_is_read_off_the_curve(tmp_path):
    curve = {
        "metric": "val_loss",
        "lower_is_better": True,
        "minutes": [1.0, 2.0, 3.0],
        "values": [9.0, 7.0, 8.0],
    }
    (run,) = some_runs(tmp_path, [1.0, 2.0], curve=curve)
    assert [curves.minutes_to(run, value) for value in (9.5, 8.0, 6.0)] == [1.0, 2.0, None]
    assert [curves.value_after(run, m) for m in (0.5, 1.5, 3.0, 4.0)] == [None, 9.0, 7.0, None]
    slow = curve | {"minutes": [2.0, 4.0, 6.0]}
    late = some_runs(tmp_path / "late", [1.0, 3.0], curve=slow, seed=1)
    both = combined(tmp_path, [run, *late])
    assert curves.minutes_to(both, 7.0) == 3.0 and curves.value_after(both, 2.5) == 8.0
    assert curves.minutes_to(write(tmp_path / "old"), 9.0) is None  # without a curve
    rising = curve | {"lower_is_better": False}
    (accuracy,) = some_runs(tmp_path / "up", [1.0, 2.0], curve=rising)
    assert curves.minutes_to(accuracy, 8.5) == 1.0 and curves.minutes_to(accuracy, 9.1) is None


def test_the_page_shows_seeds_status_and_time_to_target(tmp_path):
    reference = {
        "value": 9.0,
        "protocol": "some; IWAE-5",
        "plus_minus": 0,
        "note": "",
        "source": "s",
    }
    recipe = {
        "references": [reference],
        "limitations": "a limitation",
        "data": "mnist",
        "metrics": [{"name": "log_likelihood"}],
        "binarize": "dynamic",
    }
    curve = {
        "metric": "val_loss",
        "lower_is_better": True,
        "minutes": [0.5, 1.5, 6.0],
        "values": [9.0, 7.0, 6.0],
    }
    runs = [
        write(
            tmp_path / str(seed),
            values=values,
            recipe={**recipe, "seed": seed},
            steps=9,
            evaluated_epoch=3,
            seconds=130.0,
            curve=curve,
        )
        for seed, values in enumerate(([1.0, 2.0], [1.5, 2.5]))
    ]
    other = recipe | {"references": [reference | {"protocol": "other"}]}
    alone = write(tmp_path / "alone", "flow_vae.some", values=[3.0, 4.0], recipe=other)
    page = results_page.render([combined(tmp_path, runs), alone])
    lines = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    task = "Image likelihood: MNIST, dynamic binarization"
    summary = {line[2]: line[3:-1] for line in lines if line[1:2] == [task]}
    assert summary["`vae.some`"][2:] == ["9", "SAME PROTOCOL, better", "2 seeds", "2"]
    assert summary["`flow_vae.some`"][2:] == ["(9)", "OTHER PROTOCOL", "one seed", "2"]
    assert f"## {task}\n\nProtocol: some; IWAE-5." in page
    assert "| `vae.some` paper | val_loss | 9 | 7 | 7 | 6 | 6 |" in page
    assert "iwae_5 of each seed: 1.5, 2" in page


def test_the_minutes_of_a_curve_are_those_of_steps(tmp_path, monkeypatch):
    clock = iter(
        [
            *(0.0, 5.0, 6.0, 7.0),  # begin; the first step compiles; two more
            *(107.0, 108.0, 110.0, 111.0),  # after validation; the second epoch; a step; its end
        ]
    )
    path = tmp_path / "seconds.json"
    timed = TrainingTime(path)
    fake = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(training_time, "time", fake)
    timed.on_train_begin()
    for batch in range(3):
        timed.on_train_batch_end(batch)
    timed.on_epoch_end(0)  # reads the clock: 107
    timed.on_epoch_begin(1)
    timed.on_train_batch_end(0)
    timed.on_epoch_end(1)
    assert timed.epochs == {0: 2.0, 1: 4.0}
    again = TrainingTime(path)
    assert (again.step_seconds, again.epochs) == (4.0, {0: 2.0, 1: 4.0})
