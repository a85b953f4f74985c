"""The speed benchmark compares equal work, refuses anything else, and its protocol runs.

Nothing here asserts a speed: tests share their machine.
"""

import json

import keras
import numpy as np
import pytest

import zoo
from benchmarks import baselines, equality, speed, worker


@pytest.mark.parametrize("name", speed.MODELS)
def test_all_variants_compute_what_the_zoo_computes(name):
    differences = equality.check(name, batch_size=8)
    assert differences.keys() == baselines.STYLES.keys()
    assert max(differences.values()) <= 1e-4


def test_other_work_is_refused(monkeypatch):
    def slower_learner():
        model = baselines.KerasVAE()
        model.optimizer.learning_rate = 5e-4
        return model

    monkeypatch.setitem(baselines.STYLES["keras fit"], "vae", slower_learner)
    with pytest.raises(AssertionError, match="'keras fit' is not the zoo's computation.*step 2"):
        equality.check("vae", batch_size=8)


def test_nothing_is_timed_when_the_check_fails(monkeypatch):
    monkeypatch.setattr(speed, "measure", lambda *_, **__: pytest.fail("timed unequal work"))
    monkeypatch.setitem(speed.ENVIRONMENT, "KERAS_BACKEND", "no_such_backend")
    with pytest.raises(SystemExit, match="no ratios, the work is not equal: .*"):
        speed.main(["vae"])


def test_the_settings_that_the_check_switches_off_are_the_zoos_own():
    assert baselines.SETTINGS.keys() == set(speed.MODELS)
    for name, settings in baselines.SETTINGS.items():
        model = zoo.get(name)
        assert settings == {key: getattr(model, key) for key in settings}


def test_prepared_images_lie_where_the_networks_expect_them():
    images = np.array([0, 255], "uint8")
    assert baselines.prepared("vae", images).tolist() == [0, 1]
    assert baselines.prepared("dcgan", images).tolist() == [-1, 1]


def test_a_round_times_its_steps_and_not_the_one_before(monkeypatch, capsys):
    clock = iter(range(100))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(worker.sys, "stdin", ["go\n"])
    steps = worker.protocol(warmup=2, steps=3)
    next(steps)
    said = []
    for _ in range(1 + 2 + 1 + 3 - 1):  # first, warm-up, untimed, timed
        steps.send({"loss": 0.0})
        said.append(capsys.readouterr().out)
    assert [bool(line) for line in said] == [False, False, True, False, False, False]
    with pytest.raises(SystemExit):
        steps.send({"loss": 0.0})
    assert json.loads(capsys.readouterr().out)["seconds"] == 1


def test_ratios_are_made_within_a_round_and_above_one_is_faster():
    found = speed.summary([1.0, 4.0, 2.0], [2.0, 4.0, 6.0], steps=2, batch_size=10)
    assert found["ratio"] == 2 and found["ratio_range"] == [1, 3]
    assert found["ms_per_step"] == 1000 and found["images_per_s"] == 10


@pytest.mark.parametrize("variant", worker.VARIANTS)
def test_every_variant_trains_round_by_round_until_its_input_ends(variant, monkeypatch, capsys):
    monkeypatch.setattr(worker.sys, "stdin", ["go\n", "go\n"])
    with pytest.raises(SystemExit):
        worker.main("vae", variant, batch_size=4, warmup=1, steps=1)
    ready, *rounds = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready["first_step_s"] > 0
    assert len(rounds) == 2 and all(r["seconds"] > 0 and r["peak_mb"] > 0 for r in rounds)


def test_the_command_times_processes_in_turn_and_writes_a_record(tmp_path, monkeypatch, capsys):
    assert [*worker.VARIANTS] == [*speed.VARIANTS]
    monkeypatch.setattr(speed, "VARIANTS", (speed.BASE, "zoo"))  # the others would take too long
    file = tmp_path / "speed.json"
    tiny = ["--rounds=1", "--steps=1", "--warmup=0", "--batch-size=8"]
    record = speed.main(["vae", *tiny, "--json", str(file)])
    assert json.loads(file.read_text()) == record
    assert record["results"]["vae"].keys() == {speed.BASE, "zoo"}
    assert record["results"]["vae"][speed.BASE]["ratio"] == 1
    assert record["versions"]["keras"] == keras.__version__
    assert "1 interleaved rounds" in record["protocol"]
    shown = capsys.readouterr().out
    assert "equal losses" in shown and speed.BASE in shown


def test_a_worker_that_dies_says_why():
    with pytest.raises(RuntimeError, match="unexpected keyword"):
        speed.Worker(no_such_setting=1)
