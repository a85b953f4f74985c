"""Files that commands write: checked first, complete or not at all; an error loses no results."""

import json
import os

import keras
import numpy as np
import pytest
from PIL import Image
from shell import run, run_error, run_json

import zoo
from zoo import figures, text
from zoo.cli import train
from zoo.cli.options import FIGURE_SUFFIXES
from zoo.errors import ZooError
from zoo.figures import formats
from zoo.recipes import loading

pytestmark = pytest.mark.usefixtures("eager_steps")

OUTPUTS = {  # command line -> why it cannot be written
    ("sample", "vae", "-o", "images.npz/a.png"): "images.npz is not a folder",
    ("sample", "vae", "-o", "images.npz/a.npy"): "images.npz is not a folder",
    ("translate", "seq2seq", "x", "--attention", "images.npz/a.png"): "images.npz is not a folder",
    ("caption", "captioning", "x.png", "--attention", "images.npz/a.png"): "is not a folder",
    ("stylize", "-o", "images.npz/a.png"): "images.npz is not a folder",
    ("stylize", "--frames", "images.npz/a"): "images.npz is not a folder",
    ("train", "vae", "--data", "images.npz", "--workdir", "images.npz/a"): "is not a folder",
    ("export", "vae", "images.npz/a"): "images.npz is not a folder",
    ("sample", "vae", "-o", "x" * 220 + ".png"): "a file name has at most 200 bytes",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with `translator.keras` and `captioner.keras`, untrained."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    words = text.WordTokenizer.train(["ein hund", "a dog"], 20)
    small = {"units": 8, "embedding_dim": 8}
    sides = {"source_vocabulary": words, "target_vocabulary": words}
    zoo.get("seq2seq", **small, **sides).save(folder / "translator.keras")
    shape = {"image_shape": (8, 8, 3), "caption_vocabulary": words}
    zoo.get("captioning", **small, **shape).save(folder / "captioner.keras")
    return folder


@pytest.mark.parametrize("args", OUTPUTS, ids=lambda args: " ".join(args)[:60])
def test_outputs_are_checked_before_the_work(empty_dir, monkeypatch, args):
    def work(*args, **options):
        raise AssertionError("the work has begun")

    for module, name in (
        (loading, "resolve"),
        (train, "config_from_options"),
    ):
        monkeypatch.setattr(module, name, work)
    error = run_error(*args, code=1)
    assert error.startswith("error: cannot write ") and OUTPUTS[args] in error


def test_the_formats_are_those_of_figures():
    assert FIGURE_SUFFIXES == formats.FORMATS


@pytest.mark.parametrize("name", ("a.npy", "a.npz", "a.png", "a.pdf"))
@pytest.mark.parametrize("before", (None, b"before"))
def test_a_full_disk_leaves_the_old_file(trained_dir, tmp_path, monkeypatch, name, before):
    path = tmp_path / name
    if before:
        path.write_bytes(before)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = run_error("sample", "runs/vae-images", "-n", 2, "-o", path, code=1)
    assert "No space left on device" in error
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize("suffix", (*FIGURE_SUFFIXES, ".PNG"))
def test_the_suffix_decides_the_format_of_a_figure(trained_dir, tmp_path, suffix):
    run_json("sample", "runs/vae-images", "-n", 1, "-o", tmp_path / f"a{suffix}")
    marks = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    begin = (tmp_path / f"a{suffix}").read_bytes()[:5]
    assert begin.startswith(marks.get(suffix.lower(), b"\xff\xd8\xff"))


@pytest.mark.parametrize("error", (ZooError("it is odd"), OSError(28, "No space left on device")))
def test_an_error_of_a_figure_does_not_lose_the_translations(models, monkeypatch, tmp_path, error):
    monkeypatch.chdir(models)
    args = ("translate", "translator.keras", "ein hund", "", "--max-length", 4)
    lines = run(*args).stdout

    def fails(*args, **options):
        raise error

    monkeypatch.setattr(figures, "attention", fails)
    with_figure = (*args, "--attention", tmp_path / "a.png")
    result = run(*with_figure)
    assert (result.exit_code, result.stdout) == (1, lines) and lines.endswith("\n\n")
    assert result.stderr.startswith(f"error: {tmp_path}/a.png was not written: ")
    record = json.loads(run(*with_figure, "--json").stdout)
    assert len(record["translations"]) == 2 and "was not written" in record["error"]
    monkeypatch.setattr(figures, "caption_maps", fails)
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    result = run(
        *("caption", "captioner.keras", tmp_path / "p.png", "--max-length", 4),
        *("--attention", tmp_path / "b.png", "--json"),
    )
    assert result.exit_code == 1 and len(json.loads(result.stdout)["captions"]) == 1


def test_the_attention_figure_has_the_generated_tokens(models, monkeypatch, tmp_path):
    """Even if the text would be tokenized differently."""
    monkeypatch.chdir(models)
    figures_drawn = []
    monkeypatch.setattr(figures, "attention", lambda maps, path: figures_drawn.append(maps))
    search = ("--max-length", 4, "--seed", 3)
    args = ("translate", "translator.keras", "ein hund", "", "a dog", *search)
    record = run_json(*args, "--attention", tmp_path / "a.png")
    targets = [pair["target"] for pair in record["translations"]]
    assert targets[1] == "" and len(figures_drawn[0]) == 2
    for (source, target, weights), words in zip(
        figures_drawn[0], (targets[0], targets[2]), strict=True
    ):
        assert weights.shape == (len(target), len(source))
        assert len(target) in (len(words.split()), len(words.split()) + 1)  # and END
    result = run("translate", "translator.keras", "", "--attention", tmp_path / "a.png")
    assert result.exit_code == 1 and "needs a non-empty text" in result.stderr


@pytest.mark.parametrize("name", ("a.npy", "a.npz"))
def test_arrays_hold_the_images(trained_dir, tmp_path, name):
    run_json("sample", "runs/vae-images", "-n", 2, "-o", tmp_path / name)
    if name == "a.npy":
        images = np.load(tmp_path / name)
    else:
        with np.load(tmp_path / name) as arrays:
            images = arrays["image"]
    assert images.shape == (2, 8, 8, 1)
