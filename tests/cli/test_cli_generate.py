"""Language models on the command line: from a text file to text."""

import pytest
import shell
import tensorflow as tf

pytestmark = pytest.mark.usefixtures("eager_steps")

SMALL = ("--set", "hidden_dim=16", "--set", "num_layers=1", "--set", "num_heads=2")
SMALL += ("--set", "context_length=16", "--batch-size", "8")
LINE = "the cat sat on the mat. "


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with book.txt and runs/gpt-book, and the output of `zoo train`."""
    folder = tmp_path_factory.mktemp("generate")
    (folder / "book.txt").write_text(LINE * 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ZOO_DATA_DIR", str(folder / "cache"))
        return folder, shell.run_json("train", "gpt", "--data", "book.txt", *SMALL, "--epochs", 2)


@pytest.fixture
def trained_dir(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_training_holds_out_the_end_of_the_text_and_writes_samples(trained):
    folder, record = trained
    assert record["split"] == "validation"
    assert record["examples"] == (
        "book.txt validation, 3 windows of text: all 48 characters, context 16, stride 16"
    )
    assert set(record["metrics"]) == {"loss", "accuracy", "perplexity", "bits_per_byte"}
    assert record["next"][0] == "zoo generate runs/gpt-book PROMPT"
    run = folder / "runs/gpt-book"
    samples = [run / "figures/sample.txt", *sorted(run.glob("figures/sample/epoch-*.txt"))]
    assert len(samples) == 3 and all(path.read_text() for path in samples)
    summaries = []
    for path in (run / "tensorboard/figures").glob("*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            summaries += [value.metadata.plugin_data.plugin_name for value in event.summary.value]
    assert summaries.count("text") == 2


def test_a_run_continues_prompts(trained_dir):
    command = ("generate", "runs/gpt-book", "--max-length", 10)
    record = shell.run_json(*command, "the", "a cat", "-n", 2)
    assert [row["prompt"] for row in record["generated"]] == ["the", "a cat"]
    assert all(len(row["texts"]) == 2 for row in record["generated"])
    single = shell.run_json(*command, "the", "--temperature", 0)["generated"][0]["texts"][0]
    streamed = shell.run(*command, "the", "--temperature", 0)
    assert streamed.stdout == f"the{single}\n"
    both = shell.run(*command, "the", "the", "--temperature", 0).stdout
    assert both == f"the{single}\n{'-' * 20}\nthe{single}\n"


def test_a_run_is_evaluated_on_other_texts_and_parts(trained_dir):
    record = shell.run_json("evaluate", "runs/gpt-book", "--split", "all")
    assert "all 480 characters" in record["examples"]
    (trained_dir / "other.txt").write_text(LINE[::-1] * 40)
    other = shell.run_json("evaluate", "runs/gpt-book", "--data", "other.txt")
    assert "other.txt validation" in other["examples"] and "all 96 " in other["examples"]
    shell.run_json("sample", "runs/gpt-book", "-n", 2, "-o", "samples.txt")
    assert "-" * 20 in (trained_dir / "samples.txt").read_text()
    assert "a chorale has tokens" in shell.run_error("sample", "runs/gpt-book", "-o", "a.wav")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "text.txt is empty: it has no text"),
        (b"\x00\x01" * 99, "is not UTF-8 text"),
        (b"short", "4 characters, fewer than the context of 16"),
        (b"too few " * 12, "4 blocks of 16 characters, fewer than the batch size of 8"),
    ],
)
def test_texts_that_cannot_be_trained_on_are_refused(trained_dir, content, message):
    (trained_dir / "text.txt").write_bytes(content)
    assert message in shell.run_error("train", "gpt", "--data", "text.txt", *SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("runs/gpt-book", "ZZZ"), "lacks characters of the prompt: 'Z'"),
        (("runs/gpt-book", "--max-length", 0), "must be an integer >= 1"),
        (("runs/gpt-book", "--top-p", 0), "must be a finite number > 0"),
        (("runs/gpt-book", "--temperature", 0, "--top-k", 3), "--top-k: --temperature 0 takes"),
        (("vae.snowflakes",), "does not continue text; these do: gpt, rnn_language_model"),
    ],
)
def test_invalid_requests_are_one_line(trained_dir, options, message):
    assert message in shell.run_error("generate", *options)
