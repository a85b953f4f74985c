"""Text models on the command line: runs, vocabularies, recipes, figures, invalid input."""

import itertools
import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import zoo
import zoo.recipes
from zoo import figures
from zoo.cli.main import main
from zoo.cli.metric_option import table_rows
from zoo.data import source_names
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError
from zoo.optimizers import InverseSquareRoot
from zoo.recipes import Budget, MetricSpec, Recipe, records
from zoo.recipes import run as reproduction
from zoo.training import run_folder

pytestmark = pytest.mark.usefixtures("eager_steps")

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
SMALL = ("--set", "units=16", "--set", "embedding_dim=16", "--batch-size", "16")
TABLE = ("--data", "n.tsv", "--languages", "1,0", "--tokenizer", "words", "--split", "train[:80]")
TABLE += ("--test-split", "train[80:]")


def run(*args, **options):
    return CliRunner().invoke(main, [str(arg) for arg in args], **options)


def run_json(*args, **options):
    result = run(*args, "--json", **options)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def write_table(folder, english=ENGLISH):
    pairs = itertools.product(range(10), repeat=2)
    lines = [f"{english[a]} {english[b]}\t{GERMAN[a]} {GERMAN[b]}\n" for a, b in pairs]
    (folder / "n.tsv").write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs/seq2seq-n, from German numbers to English ones, and its output."""
    folder = tmp_path_factory.mktemp("texts")
    write_table(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, run_json("train", "seq2seq", *TABLE, *SMALL, "--epochs", 1)


@pytest.fixture
def trained_dir(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_a_run_keeps_its_vocabulary_and_needs_no_corpus_to_translate(trained_dir, trained):
    assert trained[1]["next"][0].startswith("zoo translate") and trained[1]["steps"] == 5
    assert (trained_dir / "runs/seq2seq-n/figures/attention.png").exists()
    assert "runs/seq2seq-n TEXT" in run("train", "seq2seq", *TABLE, *SMALL, "--epochs", 1).stdout
    assert run_json("evaluate", "seq2seq")["metrics"] == pytest.approx(trained[1]["metrics"])
    (trained_dir / "n.tsv").rename(trained_dir / "away.tsv")
    try:
        record = run_json("translate", "runs/seq2seq-n", "drei vier", "", "--attention", "a.png")
    finally:
        (trained_dir / "away.tsv").rename(trained_dir / "n.tsv")
    assert [pair["source"] for pair in record["translations"]] == ["drei vier", ""]
    assert record["translations"][1]["target"] == "" and record["num_beams"] == 5
    assert (trained_dir / "a.png").read_bytes().startswith(b"\x89PNG")


def test_metrics_of_recipes_are_computed_and_other_data_have_other_languages(trained_dir):
    metrics = ("--metric", "bleu:protocol=13a,texts=4", "--metric", "exact_match:texts=4")
    record = run_json("evaluate", "seq2seq", *metrics)
    bleu, exact = record["scores"].values()
    assert [*record["scores"]] == ["bleu_13a_greedy", "exact_match_greedy"] and exact["n"] == 4
    assert bleu["description"] == "BLEU 13a, greedy on the first 4 test texts, %"
    entry = {"value": 1.5, "interval": [1, 2], "unit": "%", "lower_is_better": True}
    assert table_rows({"a": entry, "b": exact}) == [
        ["a", 1.5, "1 to 2", "%", "lower"],
        [
            "b",
            exact["value"],
            " to ".join(f"{end:.4g}" for end in exact["interval"]),
            "%",
            "higher",
        ],
    ]
    flipped = run_json("evaluate", "seq2seq", "--data", "n.tsv", "--languages", "0,1")
    assert flipped["metrics"] != record["metrics"]


def test_texts_are_read_from_files_and_stdin_and_written_as_lines_and_tables(trained_dir):
    (trained_dir / "in.txt").write_text("drei vier\nacht\n", encoding="utf-8")
    cut = ("drei vier acht", "--max-length", 2, "--truncate", "--attention", "cut.png")
    assert run("translate", "seq2seq", *cut).exit_code == 0 and (trained_dir / "cut.png").exists()
    lines = run("translate", "seq2seq", "-i", "in.txt", "--seed", 1).stdout.split("\n")
    assert len(lines) == 3
    piped = run("translate", "seq2seq", "-i", "-", "--seed", 1, input="drei vier\nacht\n")
    assert piped.stdout.split("\n") == lines
    file = run_json("sample", "seq2seq", "-n", 3)["file"]
    rows = [line.split("\t") for line in (trained_dir / file).read_text().splitlines()]
    assert rows[0] == ["source", "translated", "target"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        (f"acht {german}", f"eight {english}")
        for german, english in zip(GERMAN[:3], ENGLISH[:3], strict=True)
    ]


def test_a_run_resumes_with_its_vocabulary_even_if_the_file_has_changed(trained_dir, trained):
    write_table(trained_dir, english=[word.upper() for word in ENGLISH])
    before = run_folder.read("runs/seq2seq-n").arguments["source_vocabulary"]
    more = run_json("train", "seq2seq", *TABLE, *SMALL, "--epochs", 2)
    write_table(trained_dir)
    assert more["steps"] == 10
    assert run_folder.read("runs/seq2seq-n").arguments["source_vocabulary"] == before


NEW = ("--workdir", "new")
BAD = {
    ("train", "seq2seq", *TABLE, *SMALL, "--tokenizer", "characters"): "has tokenizer=words",
    ("train", "seq2seq", *NEW, *TABLE, "--set", "source_vocabulary=9"): "--vocabulary-size",
    ("train", "seq2seq", *NEW, *TABLE, "--max-length", "3"): "has 4 ids, more than max_length=3",
    ("train", "seq2seq", *NEW, "--data", "n.tsv", "--languages", "1,7"): "but column 7",
    ("train", "seq2seq", "--data", "n.tsv", "--languages", "de"): "languages must be two",
    ("train", "seq2seq", "--data", "bad.tsv"): "line 2 is not UTF-8",
    ("train", "seq2seq", "--data", "empty.tsv"): "is empty",
    ("train", "seq2seq", "--data", "mnist"): "mnist holds images, not pairs of texts",
    (
        "train",
        "seq2seq",
        *TABLE,
        "--binarize",
        "fixed",
    ): "on pairs of texts, where --binarize",
    ("train", "vae", "--data", "n.tsv", "--lowercase"): "is trained on images, where --lowercase",
    ("train", "seq2seq", "--data", "."): "choose the files",
    ("train", "seq2seq.dates"): "zoo reproduce seq2seq.dates",
    ("evaluate", "seq2seq", "--metric", "blue"): "unknown metric 'blue'",
    ("evaluate", "seq2seq", "--metric", "bleu"): "needs the argument 'protocol'",
    ("evaluate", "seq2seq", "--metric", "bleu:13a"): "--metric takes NAME",
    ("translate", "seq2seq"): "give texts to translate",
    ("translate", "seq2seq", "drei " * 200): "line 1 has 200 ids, more than max_length=100",
    ("translate", "seq2seq", "-i", "absent.txt"): "there is no file absent.txt",
    ("translate", "seq2seq", "-i", "bad.tsv"): "line 2 is not UTF-8",
    ("translate", "seq2seq", "drei", "\udcff"): "is not UTF-8 text",
    ("translate", "seq2seq", "drei", "--num-beams", "0"): "must be an integer >= 1",
    ("translate", "seq2seq", "drei", "--attention", "a.gif"): "ends in .png",
    ("translate", "vae", "drei"): "these do: seq2seq, transformer",
    ("sample", "seq2seq", "-o", "a.png"): "ends in .tsv",
}


@pytest.mark.parametrize("args", BAD, ids=lambda args: " ".join(args)[:60])
def test_invalid_data_or_options_are_one_clear_error(args, trained_dir):
    (trained_dir / "bad.tsv").write_bytes(b"ein\tone\nz\xff\ttwo\n")
    (trained_dir / "empty.tsv").write_text("")
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert BAD[args] in result.stderr and result.stdout == ""


def test_text_config_decides_the_ids(tmp_path):
    for name in ("train.de", "train.en", "val.de", "val.en", "test_2016_flickr.de"):
        (tmp_path / name).write_text("Ein Mann\n")
    assert source_names.splits(str(tmp_path), ("de", "en")) == ["train", "validation"]
    texts = TextConfig(["de", "en"], tokenizer="words", lowercase=True)
    corpus = texts.load_corpus(str(tmp_path), "validation")
    assert texts.build_vocabulary(corpus).encode(["ein MANN"]) == [[4, 5]] and len(corpus) == 1
    with pytest.raises(UsageError, match=r"no test.en and no test.en.gz; it has test_2016"):
        texts.load_corpus(str(tmp_path), "test")
    with pytest.raises(UnknownNameError, match="tokenizer 'byte'"):
        TextConfig(tokenizer="byte")


# Recipes.


def tiny(folder, **changes):
    write_table(folder)
    arguments = {
        "name": "seq2seq.tiny",
        "title": "Numbers",
        "model": "seq2seq",
        "config": {"units": 8, "embedding_dim": 8, "tie_embeddings": "all"},
        "data": str(folder / "n.tsv"),
        "train": "train[:64]",
        "valid": "train[64:80]",
        "test": "train[80:]",
        "batch_size": 16,
        "learning_rate": 1e-2,
        "ema_momentum": 0.9,
        "text_config": TextConfig(("1", "0"), tokenizer="characters"),
        "budgets": {"smoke": Budget(1, train_examples=32, samples=3)},
        "metrics": (
            MetricSpec("exact_match"),
            MetricSpec("bleu", protocol="13a", num_beams=2),
            MetricSpec("chrf"),
        ),
    }
    return Recipe(**arguments | changes)


def test_a_reproduction_records_its_metrics_and_translations(tmp_path):
    recipe = tiny(tmp_path)
    record = reproduction.reproduce(recipe, "smoke", tmp_path, tmp_path / "run")
    metrics = record["metrics"]
    assert [*metrics] == ["exact_match_greedy", "bleu_13a_beam2", "chrf_greedy"]
    bleu = metrics["bleu_13a_beam2"]
    assert "sacrebleu" in bleu["signature"] and "tok:13a" in bleu["signature"] and bleu["n"] == 3
    assert bleu["protocol"].endswith(
        "train[80:], 1 to 0; BLEU 13a, beam of 2, length penalty 0.6 on the first 3 test texts, %"
    )
    low, high = bleu["interval"]
    assert low <= bleu["value"] <= high and not bleu["lower_is_better"]
    with pytest.raises(records.RecordError, match="no values"):
        records.compare(record, record, "bleu_13a_beam2")
    source = recipe.text_config.load_corpus(recipe.data, "train[80:83]").texts["source"]
    lines = (tmp_path / "run" / "test-beam2.txt").read_text().splitlines()
    again = run("translate", tmp_path / "run", *source, "--num-beams", 2)
    assert again.exit_code == 0, again.stderr
    assert [" ".join(line.split()) for line in again.stdout.splitlines()] == lines
    (tmp_path / "damaged.keras").write_bytes(b"no archive")
    assert (
        "cannot be read as a Keras model"
        in run("translate", tmp_path / "damaged.keras", "x").stderr
    )


def test_recipes_of_text_and_of_images_do_not_mix(tmp_path):
    with pytest.raises(UsageError, match="trains on texts: leave out binarize, augment"):
        tiny(tmp_path, binarize="fixed")
    recipe = zoo.recipes.get("seq2seq.multi30k_de_en")
    assert recipe.protocol() == (
        "multi30k train / validation / test, de to en; BLEU 13a, beam of 5, length penalty 0.6 on"
        " all test texts, %"
    )
    keys = [measure.key for measure in recipe.metrics]
    assert {"bleu_13a_greedy", "bleu_moses-lower_beam5", "bleu_words-lower_greedy"} < {*keys}
    tokens = zoo.recipes.get("transformer.multi30k_en_de")
    protocols = {spec.key: tokens.protocol(metric=spec) for spec in tokens.metrics}
    assert protocols["bleu_tokenized_beam5_test_2017_mscoco"].endswith(
        "length penalty 0.6 on all texts of test_2017_mscoco, %"
    )
    assert {reference.protocol for reference in tokens.references} < {*protocols.values()}


# Figures and schedules.


def test_an_attention_map_is_dark_where_weights_are_large():
    weights = np.eye(3, 4)
    image = figures.attention([("ab $", ["x", "日", ""], weights)] * 2)
    assert image.dtype == np.uint8 and image.shape[1] > image.shape[0]
    clear = figures.attention([("ab $", ["x", "y", "z"], 0 * weights)] * 2)
    assert image.mean() < clear.mean()
    with pytest.raises(UsageError, match="no maps"):
        figures.attention([])
    with pytest.raises(UsageError, match=r"2 target and 1 source tokens.*got \(1, 2\)"):
        figures.attention([(["a"], ["b", "c"], [[1, 0]])])


def test_the_learning_rate_rises_and_falls_with_the_inverse_square_root():
    rate = InverseSquareRoot(0.5, 10)
    assert float(rate(4)) == pytest.approx(0.25) and float(rate(9)) == pytest.approx(0.5)
    assert float(rate(39)) == pytest.approx(0.25)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert float(again(39)) == float(rate(39))
    with pytest.raises(ValueError, match="warmup_steps must be"):
        InverseSquareRoot(0.5, 0)
