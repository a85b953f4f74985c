"""`zoo sample`, `translate`, `caption`, `stylize`, `export`: answers, and the files they are in."""

import numpy as np
from PIL import Image
from shell import answer, refused, run


def test_samples_are_a_picture_or_arrays_and_the_seed_decides(there):
    record = answer("sample", "runs/vae-images", "-n", 4)
    assert record["file"] == "runs/vae-images/figures/samples-seed0.png"
    assert (there / record["file"]).read_bytes().startswith(b"\x89PNG")
    for name, seed in (("a.npy", 0), ("b.npy", 0), ("c.npy", 1)):
        assert run("sample", "vae", "-n", 3, "--seed", seed, "-o", f"new/{name}").exit_code == 0
    a, b, c = (np.load(there / "new" / name) for name in ("a.npy", "b.npy", "c.npy"))
    assert a.shape == (3, 8, 8, 1) and (a == b).all() and (a != c).any()
    assert answer("sample", "vae", "-n", 3, "-o", "d.npz")["run"] == "runs/vae-images"
    assert (np.load(there / "d.npz")["image"] == a).all()


def test_a_model_without_a_run_is_used_untrained(here):
    result = run("sample", "dcgan", "-n", 1)
    assert (result.exit_code, result.stdout) == (0, "dcgan-samples.png\n")
    assert "untrained" in result.stderr and (here / "dcgan-samples.png").exists()


def test_a_conditional_model_is_asked_for_a_class_and_others_are_not(here):
    draw = ("sample", "conditional_dcgan", "-n", 2, "-o", "sevens.npy", "--label")
    assert run(*draw, 7).exit_code == 0
    assert np.load(here / "sevens.npy").shape == (2, 28, 28, 1)
    result = run(*draw, 10)
    assert result.exit_code == 2 and "has the classes 0 ... 9, got --label 10" in result.stderr
    result = run("sample", "dcgan", "--label", 1)
    assert result.exit_code == 2 and "dcgan was told of no classes" in result.stderr


def test_what_is_drawn_around_an_image_is_shown_one(here):
    draw = ("sample", "instance_dcgan", "-n", 2, "-o", "shoes.npy", "--reference")
    Image.new("L", (28, 28), 200).save("shoe.png")
    assert run(*draw, "shoe.png").exit_code == 0
    assert np.load(here / "shoes.npy").shape == (2, 28, 28, 1)
    Image.new("RGB", (20, 28)).save("color.png")  # brought to the model's shape
    assert run(*draw, "color.png").exit_code == 0
    (here / "torn.png").write_bytes(b"PNG")
    for bad, said in (
        ("none.png", "none.png"),
        ("torn.png", "torn.png"),
    ):
        assert said in refused(*draw, bad)
    for name in ("dcgan", "pix2pix"):
        result = run("sample", name, "--reference", "shoe.png")
        assert result.exit_code == 2 and f"{name} does not draw around an image" in result.stderr
