"""`zoo sample`: the files that it writes."""

import numpy as np
import pytest
from cases import small_model
from PIL import Image
from shell import run, run_error, run_json

pytestmark = pytest.mark.usefixtures("eager_steps")


def test_samples_are_a_figure_or_arrays_and_depend_on_the_seed(trained_dir):
    record = run_json("sample", "runs/vae-images", "-n", 4)
    assert record["file"] == "runs/vae-images/figures/samples-seed0.png"
    assert (trained_dir / record["file"]).read_bytes().startswith(b"\x89PNG")
    for name, seed in (("a.npy", 0), ("b.npy", 0), ("c.npy", 1)):
        assert run("sample", "vae", "-n", 3, "--seed", seed, "-o", f"new/{name}").exit_code == 0
    a, b, c = (np.load(trained_dir / "new" / name) for name in ("a.npy", "b.npy", "c.npy"))
    assert a.shape == (3, 8, 8, 1) and (a == b).all() and (a != c).any()
    assert run_json("sample", "vae", "-n", 3, "-o", "d.npz")["run"] == "runs/vae-images"
    assert (np.load(trained_dir / "d.npz")["image"] == a).all()


def test_a_model_without_a_run_is_untrained(empty_dir):
    result = run("sample", "dcgan", "-n", 1)
    assert (result.exit_code, result.stdout) == (0, "dcgan-samples.png\n")
    assert "untrained" in result.stderr and (empty_dir / "dcgan-samples.png").exists()


def test_only_a_conditional_model_takes_a_class(empty_dir):
    sample = ("sample", "conditional_dcgan", "-n", 2, "-o", "sevens.npy", "--label")
    assert run(*sample, 7).exit_code == 0
    assert np.load(empty_dir / "sevens.npy").shape == (2, 28, 28, 1)
    result = run(*sample, 10)
    assert result.exit_code == 2 and "has the classes 0 ... 9, got --label 10" in result.stderr
    result = run("sample", "dcgan", "--label", 1)
    assert result.exit_code == 2 and "dcgan has no classes" in result.stderr


def test_only_an_instance_conditioned_model_takes_an_image(empty_dir):
    sample = ("sample", "instance_dcgan", "-n", 2, "-o", "shoes.npy", "--reference")
    Image.new("L", (28, 28), 200).save("shoe.png")
    assert run(*sample, "shoe.png").exit_code == 0
    assert np.load(empty_dir / "shoes.npy").shape == (2, 28, 28, 1)
    Image.new("RGB", (20, 28)).save("color.png")  # converted to the model's shape
    assert run(*sample, "color.png").exit_code == 0
    (empty_dir / "damaged.png").write_bytes(b"PNG")
    for file, message in (
        ("none.png", "none.png"),
        ("damaged.png", "damaged.png"),
    ):
        assert message in run_error(*sample, file)
    for name, reason in (
        ("dcgan", "not conditioned on an image"),
        ("pix2pix", "--reference has no effect"),
    ):
        result = run("sample", name, "--reference", "shoe.png")
        assert result.exit_code == 2 and reason in result.stderr


def test_a_diffusion_model_takes_a_sampler_and_shows_its_film(empty_dir):
    small_model("ddpm", num_classes=3).save("model.keras")
    how = ("--sampler", "ddim", "--steps", 2, "--label", 1, "--guidance", 2)
    record = run_json("sample", "model.keras", "-n", 2, *how, "-o", "ones.npy")
    assert np.load(empty_dir / record["file"]).shape == (2, 8, 8, 1)
    run_json("sample", "model.keras", "-n", 2, *how, "--film", "-o", "film.npy")
    film = np.load(empty_dir / "film.npy")
    assert film.shape == (2, 3, 8, 8, 1)
    np.testing.assert_allclose(film[:, -1], np.load(empty_dir / "ones.npy"), atol=1e-5)
    run_json("sample", "model.keras", "-n", 2, *how, "-o", "film.gif")
    with Image.open(empty_dir / "film.gif") as file:
        assert file.n_frames == 3
    for wrong, message in (
        (("--sampler", "eule"), "sampler must be one of"),
        (("--steps", 0), "steps"),
        (("--label", 3), "labels must be in 0 ... 2"),
        (("--reference", "film.gif"), "--reference has no effect"),
    ):
        assert message in run_error("sample", "model.keras", *wrong)
    assert "--film has no effect" in run_error("sample", "dcgan", "--film")
