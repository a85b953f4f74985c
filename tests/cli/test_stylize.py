"""`zoo stylize` and its benchmark: an image and its frames, or a one-line error."""

import json

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from zoo.cli.main import main
from zoo.data.builders import style_images
from zoo.recipes import records


def test_the_command_writes_an_image_and_its_frames(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--size=24", "--steps=12", "--optimizer=adam", "--frames=frames", "--json"]
    result = CliRunner().invoke(main, ["stylize", *options])
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["file"] == "stylized.png" and record["shape"] == [24, 24, 3]
    assert record["step"] == record["evaluations"] == 12 and record["loss"] > 0
    frames = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert frames == ["step-0000.png", "step-0010.png", "step-0012.png"]
    last = style_images.read_scaled("frames/step-0012.png")
    np.testing.assert_array_equal(style_images.read_scaled("stylized.png"), last)


@pytest.mark.parametrize(
    "args, message",
    [
        (["one.png"], "give two images"),
        (["one.png", "two.png"], "one.png cannot be read"),
        (["--set", "style_wait=3"], "style_weight"),
        (["--size=2", "--steps=1"], "too small"),
        (["--network=none.h5"], "no file 'none.h5'"),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["stylize", *args])
    assert result.exit_code == 2 and message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_output_format_that_is_not_supported_is_an_error_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["stylize", "-o", "out.tiff"])
    assert result.exit_code == 2
    assert "takes a file that ends in .png, .jpg" in result.stderr.splitlines()[-1]


def test_the_benchmark_resumes(tmp_path, monkeypatch):
    from benchmarks import style_transfer

    calls = []

    def stylize(model, content, style, *, steps, optimizer):
        calls.append((len(content), steps, optimizer))
        entry = {"content_loss": 0.0, "style_loss": 0.0, "variation": 0.0}
        loss = 0.5 if optimizer == "lbfgs" else 0.75
        history = [
            {"step": k, "evaluations": k, "loss": loss + 1 / (k + 1), **entry} for k in (0, steps)
        ]
        return tf.constant(content[..., :3] / 255, tf.float32), history

    monkeypatch.setattr(style_transfer, "stylize_with_progress", stylize)
    monkeypatch.setattr(style_transfer, "ROOT", tmp_path)
    monkeypatch.setattr(style_transfer, "FIGURES", tmp_path / "figures")
    for name, draw in (("lake", style_images.landscape), ("brush", style_images.brushwork)):
        Image.fromarray(draw(40)).save(tmp_path / f"{name}.png")
    command = ["--network=random", f"--contents={tmp_path}/lake.png", "--size=24"]
    command += [f"--styles={tmp_path}/brush.png", "--lbfgs=3", f"--workdir={tmp_path}/work"]
    style_transfer.main([*command, "--adam=5"])
    record = records.read(tmp_path / records.RESULTS / "style_transfer.json")
    ends = record["results"]["lake x brush"]
    assert ends["lbfgs"]["loss"] < ends["adam"]["loss"] and len(ends["adam"]["history"]) == 2
    row = style_images.read_scaled(tmp_path / "figures" / "style.jpg")
    assert row.shape == (24 + 26 + 20, 10 + 4 * 34, 3)
    style_transfer.main([*command, "--adam=6"])
    assert calls == [(24, 3, "lbfgs"), (24, 5, "adam"), (24, 6, "adam")]
    with pytest.raises(SystemExit):
        style_transfer.main([*command, "--contents", "one.png", "two.png"])
