"""The migration of presets and records changes names and no number."""

import json
import shutil

import pytest

from benchmarks.migrate import __main__ as migrate
from benchmarks.migrate import record_files
from zoo import presets
from zoo.presets import preset
from zoo.recipes import records
from zoo.recipes.environment import REPOSITORY

NAME = "vae.snowflakes"


@pytest.fixture
def old(tmp_path):
    """A folder like this repository, with one preset and its record."""
    root = tmp_path / "old"
    shutil.copytree(REPOSITORY / migrate.PRESETS / NAME, root / migrate.PRESETS / NAME)
    (root / migrate.RESULTS).mkdir(parents=True)
    for suffix in ("json", "npz"):
        file = migrate.RESULTS / f"{NAME}.cpu-hour.{suffix}"
        shutil.copy(REPOSITORY / file, root / file)
    return root


def contents(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_migration_keeps_all_numbers_and_is_done_once(old, tmp_path, capsys):
    new, again = tmp_path / "new", tmp_path / "again"
    before = contents(old)
    migrate.main([str(old), str(new), "--build"])
    assert "every number is the same" in capsys.readouterr().out
    assert json.loads((new / migrate.PRESETS / NAME / preset.CONFIG).read_text())["format"] == 2
    record = records.read(new / migrate.RESULTS / f"{NAME}.cpu-hour.json")
    assert records.values(record, "iwae_200").mean() == pytest.approx(
        record["metrics"]["iwae_200"]["value"], rel=1e-5
    )
    migrate.main([str(new), str(again)])
    assert contents(new) == contents(again) and contents(old) == before


def test_a_number_or_a_weight_that_changed_is_found(old, tmp_path):
    new = tmp_path / "new"
    migrate.main([str(old), str(new)])
    path = new / migrate.RESULTS / f"{NAME}.cpu-hour.json"
    record = records.read(path)
    values = {metric: records.values(record, metric) for metric in ("iwae_200", "negative_elbo")}
    record["metrics"]["iwae_200"]["value"] += 1e-9
    records.write(path, {k: v for k, v in record.items() if k != "values"}, values)
    with pytest.raises(SystemExit, match=f"{NAME}.*first differences"):
        migrate.main([str(old), str(new), "--check"])
    other = presets.load("vae.mnist").folder
    shutil.rmtree(new / migrate.PRESETS / NAME)
    shutil.copytree(other, new / migrate.PRESETS / NAME)
    with pytest.raises(SystemExit, match="other weights"):
        migrate.main([str(old), str(new), "--check"])


def test_names_are_changed_by_their_path():
    old = {"kind": "finetuning", "results": [{"way": "frozen", "scratch": 1.0}], "way": "kept"}
    new = {"kind": "finetuning", "results": [{"method": "frozen", "from_scratch": 1.0}]}
    assert record_files.rename(old, "finetuning") == new | {"way": "kept"}
    assert record_files.rename({"kind": "yardstick"}, "yardstick") == {"kind": "metric_sensitivity"}
    assert record_files.rename("FCD-mnist-v1 sha256:ab", "x") == "mnist-classifier-v1 sha256:ab"
