"""The fine-tuning benchmark: methods are comparable, compared in pairs, and recorded."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from benchmarks import finetuning, finetuning_tasks, result_figures, results_page
from benchmarks.finetuning_tasks import SCRATCH, TUNED, TaskBudget
from zoo import text
from zoo.data import corpora
from zoo.errors import UsageError
from zoo.recipes import records

TINY = TaskBudget((1, 2), examples=24, test_examples=10, batch_size=5)
SENTENCES = [f"{a} {b}" for a in ("ein", "one", "der", "the") for b in ("cat", "Hund", "dog")]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Case -> a preset whose weights are the fresh ones of seed 0."""
    words = text.WordTokenizer.train(SENTENCES)
    sides = {f"{side}_vocabulary": words.to_json() for side in ("source", "target")}
    letters = text.WordTokenizer([*"aehlo "], "character")
    small_gpt = {"context_length": 4, "num_layers": 1, "hidden_dim": 8, "num_heads": 2}
    found = {}
    for name, config in (
        ("vae", {"filters": (4,), "base_filters": 4}),
        ("seq2seq", {"embedding_dim": 8, "units": 8, "tie_embeddings": "all", **sides}),
        ("gpt", {**small_gpt, "text_vocabulary": letters.to_json()}),
    ):
        keras.utils.set_random_seed(0)
        found[name] = tmp_path_factory.mktemp("presets") / name
        zoo.save(zoo.get(name, **config), found[name], card={"license": "apache-2.0"})
    kinds = {name: Path(case.source).name.partition(".")[0] for name, case in CASES.items()}
    return {name: str(found[kind]) for name, kind in kinds.items()}


CASES = finetuning.CASES


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """A few steps take less time than tracing one; random data replace the real data."""
    random, load = np.random.default_rng(0), zoo.data.load
    arrays = {"image": random.random((40, 28, 28, 1), np.float32), "label": np.arange(40) % 10}
    pairs = corpora.Corpus({"source": SENTENCES, "target": SENTENCES[::-1]}, "pairs", "all")
    monkeypatch.setattr(zoo.data, "load", lambda name, split, **how: load(arrays, **how))
    monkeypatch.setattr(corpora, "load_pairs", lambda *_: pairs)
    translate = zoo.Translator.translate
    brief = lambda model, texts, **how: translate(model, texts, **{**how, "max_length": 8})  # noqa: E731
    monkeypatch.setattr(zoo.Translator, "translate", brief)
    monkeypatch.setattr(finetuning_tasks, "king_james_bible", lambda: "hello a hole " * 10)
    finetuning_tasks.load_binary_mnist.cache_clear()
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
    finetuning_tasks.load_binary_mnist.cache_clear()


pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run")


@pytest.mark.parametrize("name", ("kmnist", "labels", "direction", "author"))
def test_methods_differ_only_in_the_weights_so_fresh_weights_gain_nothing(name, sources):
    case = CASES[name]
    ours, theirs = ([*case.task(sources[name], way, 0, TINY)] for way in (TUNED, SCRATCH))
    assert [*map(finetuning.to_number, ours)] == [*map(finetuning.to_number, theirs)]
    if name != "labels":
        found = case.compare(ours[:1], theirs[:1])
        assert found.difference == 0 and found.interval == (0, 0)
    other = next(case.task(sources[name], SCRATCH, 1, TINY))  # fresh weights of another seed
    assert name != "kmnist" or finetuning.to_number(other) != finetuning.to_number(theirs[0])


def test_the_command_writes_a_record_for_the_page_and_the_figure(
    sources, tmp_path, monkeypatch, capsys
):
    tiny = replace(CASES["labels"], budgets={"smoke": replace(TINY, seeds=2)})
    monkeypatch.setitem(CASES, "labels", tiny)
    monkeypatch.setattr(finetuning, "ROOT", tmp_path)
    command = ["labels", f"--source={sources['labels']}", "--budget=smoke"]
    finetuning.main([*command, "--record"])
    record = records.read(tmp_path / records.RESULTS / "finetuning.labels.smoke.json")
    assert [(row["method"], row["steps"]) for row in record["results"]] == [
        ("frozen", 1),
        ("frozen", 2),
        ("fine-tuned", 1),
        ("fine-tuned", 2),
    ]
    for row in record["results"]:
        ours, theirs = row["by_seed"]
        assert row["difference"] == pytest.approx(np.mean(ours) - np.mean(theirs))
        assert row["interval"][0] <= row["difference"] <= row["interval"][1]
    page = results_page.render([record])
    assert (
        "| fine-tuned | 2 |" in page
        and "from `vae`" in page
        and f"on {TINY.examples} labels" in page
    )
    assert result_figures.plot_finetuning(record).ndim == 3
    assert "fine-tuned, seed 1, 2 steps: accuracy" in capsys.readouterr().out


def test_differences_of_few_runs_have_students_interval():
    found = finetuning.over_seeds([3.0, 5.0, 4.0], [1.0, 2.0, 3.0])
    assert found.difference == 2 and found.n == 3
    np.testing.assert_allclose(found.interval, 2 + np.array([-4.302653, 4.302653]) / 3**0.5, 1e-6)


def test_a_few_labels_are_balanced():
    labels = np.arange(60) % 10
    one, other = (finetuning_tasks.balanced_rows(labels, 30, seed) for seed in (0, 1))
    assert np.bincount(labels[one]).tolist() == [3] * 10 and len({*one}) == 30
    assert {*one} != {*other}


def test_a_translator_with_two_vocabularies_is_rejected(sources, monkeypatch):
    model = zoo.get(sources["direction"])
    model.vocabularies["target"] = text.WordTokenizer.train(["other words"])
    monkeypatch.setattr(finetuning_tasks, "initial_model", lambda *_: model)
    with pytest.raises(UsageError, match="must have one vocabulary for both"):
        next(finetuning_tasks.reverse_direction("two", TUNED, 0, TINY))
