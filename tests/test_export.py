"""Exported models: the same outputs with TensorFlow and without the zoo."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model
from click.testing import CliRunner

import zoo
from zoo import text
from zoo.cli.main import main
from zoo.data.builders import dates
from zoo.errors import UsageError

ALONE = """
import json, sys
import tensorflow as tf

dates, digits = tf.saved_model.load("dates"), tf.saved_model.load("digits")
found = dates.translate(tf.constant(json.load(sys.stdin)))
drawn = digits.sample(n=3, seed=7)
assert not {"zoo", "blocks", "tensorflow_probability"} & set(sys.modules)
print(json.dumps([[one.decode() for one in found.numpy()], drawn.numpy().tolist()]))
"""


def test_exported_presets_run_without_the_zoo(tmp_path):
    translator, drawer = (
        zoo.get(name, pretrained=True) for name in ("seq2seq.dates", "deligan.mnist")
    )
    takes = zoo.export(translator, tmp_path / "dates")
    assert takes == {"translate": ("string [?]", "string [?]")}
    zoo.export(drawer, tmp_path / "digits")
    sources = [*dates.generate(20, split="test")[0], ""]
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    translations, samples = json.loads(done.stdout)
    assert translations == translator.translate(sources)
    np.testing.assert_allclose(samples, drawer.sample(3, seed=7), atol=1e-5)
    served = tf.saved_model.load(str(tmp_path / "dates"))
    assert served.translate(tf.constant([], tf.string)).shape == 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="more ids than max_length=100"):
        served.translate(["1" * 101])
    with pytest.raises(UsageError, match="dates exists already; choose another folder"):
        zoo.export(translator, tmp_path / "dates")


@pytest.mark.parametrize("name", ["mixture_vae", "conditional_dcgan", "pix2pix", "simple_dot"])
def test_every_exported_method_gives_the_same_results(name, tmp_path):
    model = small_model(name)
    batch = examples(model, 3)
    images = next((x for x in batch.values() if x.shape.rank == 4), None)
    known = {"n": 3, "seed": 7, "codes": tf.ones((3, 2)), "image": images, **batch}
    exported = zoo.export(model, tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model"))
    assert set(exported) == {method for method in model.methods if hasattr(model, method)}
    for verb in exported:
        takes = [known[key] for key in model.methods[verb]]
        takes += [batch["label"]] if "label" in batch else []
        expected = getattr(model, verb)(*takes)
        np.testing.assert_allclose(getattr(served, verb)(*takes), expected, atol=1e-5)
        assert verb in served.signatures


def test_the_files_of_a_subword_tokenizer_are_exported_with_the_ids(tmp_path, capsys):
    words = text.SentencePieceTokenizer.train(["a man sleeps", "ein mann"], vocabulary_size=290)
    config = {"source_vocabulary": words, "target_vocabulary": words}
    model = small_model("seq2seq", **config)
    zoo.export(model, tmp_path / "model", num_beams=2, max_length=4)
    assert "sub-words (source) and sub-words (target) are not all" in capsys.readouterr().err
    extra = tmp_path / "model" / "assets.extra"
    ids = tf.constant(text.load(extra / "source").encode_batch(["ein mann", "mann"]))
    served = tf.saved_model.load(str(tmp_path / "model"))
    found = served.generate(ids)
    expected = model.generate(ids, 2, 4)
    np.testing.assert_array_equal(found["tokens"], expected.tokens)
    np.testing.assert_allclose(found["weights"], expected.aux, atol=1e-5)
    assert (extra / "target" / "sentencepiece.model").read_bytes() == words.model


def test_the_command_line_exports_or_reports_the_reason(tmp_path):
    model = small_model("vae")
    model.save(tmp_path / "vae.keras")

    def run(*args):
        return CliRunner().invoke(main, ["export", *map(str, args)])

    done = run(tmp_path / "vae.keras", tmp_path / "new" / "model", "--json")
    assert [one["name"] for one in json.loads(done.stdout)["functions"]][:2] == ["sample", "encode"]
    assert (tmp_path / "new" / "model" / "saved_model.pb").exists()
    done = run(tmp_path / "vae.keras", tmp_path / "new")
    assert done.exit_code == 2 and "exists already" in done.stderr
    done = run(tmp_path / "vae.keras", tmp_path / "vae.keras" / "x")
    assert done.exit_code == 1 and "cannot write" in done.stderr
    with pytest.raises(UsageError, match="style_transfer has nothing to export"):
        zoo.export(small_model("style_transfer"), tmp_path / "none")
    with pytest.raises(UsageError, match="num_beams must be an integer >= 1 and <= 1000, got 0"):
        zoo.export(model, tmp_path / "none", num_beams=0)
    assert {path.name for path in tmp_path.iterdir()} == {"vae.keras", "new"}
