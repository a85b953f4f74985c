"""Files that commands write: looked at first, all or nothing; no answer is lost to one."""

import json
import os

import keras
import numpy as np
import pytest
from PIL import Image
from shell import answer, refused, run

import zoo
from zoo import figures, text
from zoo.cli import load, runs
from zoo.cli.options import FIGURES
from zoo.errors import ZooError
from zoo.figures import formats

OUTPUTS = {  # command line -> what is read-only, or no folder
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
def test_whether_one_may_write_is_looked_at_before_the_work(here, monkeypatch, args):
    def work(*args, **options):
        raise AssertionError("work has begun")

    for module, name in ((runs, "taken"), (runs, "asked"), (load.presets, "get")):
        monkeypatch.setattr(module, name, work)
    error = refused(*args, code=1)
    assert error.startswith("error: cannot write ") and OUTPUTS[args] in error


def test_the_formats_are_those_of_figures():
    assert FIGURES == formats.FORMATS


@pytest.mark.parametrize("name", ("a.npy", "a.npz", "a.png", "a.pdf"))
@pytest.mark.parametrize("before", (None, b"before"))
def test_a_full_disk_leaves_what_was_there(there, tmp_path, monkeypatch, name, before):
    path = tmp_path / name
    if before:
        path.write_bytes(before)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = refused("sample", "runs/vae-images", "-n", 2, "-o", path, code=1)
    assert "No space left on device" in error
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize("suffix", (*FIGURES, ".PNG"))
def test_a_figure_is_what_its_ending_says(there, tmp_path, suffix):
    answer("sample", "runs/vae-images", "-n", 1, "-o", tmp_path / f"a{suffix}")
    marks = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    begin = (tmp_path / f"a{suffix}").read_bytes()[:5]
    assert begin.startswith(marks.get(suffix.lower(), b"\xff\xd8\xff"))


@pytest.mark.parametrize("error", (ZooError("it is odd"), OSError(28, "No space left on device")))
def test_a_translation_is_not_lost_to_its_figure(models, monkeypatch, tmp_path, error):
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


def test_the_map_is_of_the_tokens_that_were_generated(models, monkeypatch, tmp_path):
    """Whether the words would be cut into the same tokens again or not, beam or chance."""
    monkeypatch.chdir(models)
    drawn = []
    monkeypatch.setattr(figures, "attention", lambda maps, path: drawn.append(maps))
    search = ("--max-length", 4, "--seed", 3)
    args = ("translate", "translator.keras", "ein hund", "", "a dog", *search)
    record = answer(*args, "--attention", tmp_path / "a.png")
    said = [pair["target"] for pair in record["translations"]]
    assert said[1] == "" and len(drawn[0]) == 2
    for (source, target, weights), words in zip(drawn[0], (said[0], said[2]), strict=True):
        assert weights.shape == (len(target), len(source))
        assert len(target) in (len(words.split()), len(words.split()) + 1)  # and END
    result = run("translate", "translator.keras", "", "--attention", tmp_path / "a.png")
    assert result.exit_code == 1 and "needs a text that is not empty" in result.stderr


@pytest.mark.parametrize("name", ("a.npy", "a.npz"))
def test_arrays_hold_the_images(there, tmp_path, name):
    answer("sample", "runs/vae-images", "-n", 2, "-o", tmp_path / name)
    if name == "a.npy":
        images = np.load(tmp_path / name)
    else:
        with np.load(tmp_path / name) as arrays:
            images = arrays["image"]
    assert images.shape == (2, 8, 8, 1)
