"""Options: numbers are within bounds, and an option without effect is an error."""

import re

import click
import pytest
from shell import HOME, SMALL, run, run_error

from zoo.cli.main import main
from zoo.cli.options import Number
from zoo.cli.run_options import config_from_options
from zoo.errors import UsageError

NUMBERS = [
    (name, max(param.opts, key=len), param.type)
    for name, command in main.commands.items()
    for param in command.params
    if isinstance(param.type, Number)
]
WRONG = ("-1", str(2**64), "9" * 5000, "1e400", "nan", "inf", "many", "", "²", "1.5.2")


def test_every_number_has_an_interval_of_the_table():
    for command in main.commands.values():
        for param in command.params:
            kinds = click.types.IntParamType | click.types.FloatParamType
            assert not isinstance(param.type, kinds), param.name
    assert len(NUMBERS) > 25


@pytest.mark.parametrize("name, option, kind", NUMBERS, ids=lambda value: str(value)[:20])
def test_numbers_out_of_bounds_are_one_line(empty_dir, name, option, kind):
    needed = ("RUN",) * sum(param.required for param in main.commands[name].params)
    wrong = [*WRONG, *([] if kind.interval.maximum > 2**31 else [str(2**31)])]
    for value in (*wrong, "2.5", "1e9") if kind.interval.integer else (*wrong, "0"):
        if kind.interval.accepts(_number(value)):
            continue
        error = run_error(name, *needed, option, value)
        last = error.splitlines()[-1]
        assert last.startswith("Error: Invalid value for ") and len(last) < 250
    assert list(empty_dir.iterdir()) == [empty_dir / "images.npz"]


@pytest.mark.parametrize("value", ["1_0", "\u0663", " 3", "3 "])
def test_numbers_are_plain_digits(value):
    assert Number("n").convert("10", None, None) == Number("n").convert(10, None, None) == 10
    with pytest.raises(click.BadParameter, match="is not a valid integer"):
        Number("n").convert(value, None, None)


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


WITHOUT_EFFECT = {  # even where the option repeats its default
    (
        "train",
        "vae",
        *SMALL,
        "--max-length",
        "100",
    ): "vae is trained on images, where --max-length has no effect",
    ("train", "vae", *SMALL, "--tokenizer", "bpe"): "where --tokenizer has no effect",
    ("train", "simple_dot", "--binarize", "none"): "simple_dot is trained on ratings, where",
    ("train", "seq2seq", "--augment", "none"): "where --augment has no effect",
    ("train", "captioning", "--languages", "de,en"): "where --languages has no effect",
    ("train", "seq2seq", "--vocabulary-size", "8000"): "dates is tokenized into characters",
    ("sample", "runs/vae-images", "--label", "0"): "vae has no classes",
    ("sample", "runs/vae-images", "--reference", "a.png"): "vae is not conditioned on an image",
    ("sample", "vae.snowflakes", "--best"): "best needs a run, which has several epochs",
    ("sample", "captioning.shapes", "-n", "2"): "its samples need inputs from a data set",
    ("evaluate", "runs/vae-images", "--binarize", "often"): "'often' is not one of",
    ("evaluate", "runs/vae-images", "--data", ""): "must not be empty; leave it out",
    ("train", "vae", *SMALL, "--workdir", ""): "must not be empty",
    ("inspect", "runs/vae-images", "--set", "latent_dim=2"): "--set needs a model's name",
    (
        "export",
        "runs/vae-images",
        "x",
        "--num-beams",
        "5",
    ): "--num-beams: is for models that generate text, which VAE",
    (
        "export",
        "vae.snowflakes",
        "x",
        "--max-length",
        "100",
    ): "--max-length: is for models that generate text",
    ("translate", "seq2seq", "x", "--seed", "0", "--num-beams", "5"): "use one of them",
    ("translate", "seq2seq", "x", "--input", "y"): "give texts to translate, or --input",
    ("caption", "captioning", "x.png", "--weights", "imagenet"): "--weights: needs --network",
    ("caption", "captioning", "x.png", "--image-size", "224"): "--image-size: needs --network",
    ("stylize", "--seed", "0"): "--seed: needs --init noise",
    (
        "stylize",
        "--network",
        "random",
        "--set",
        "feature_network=vgg19",
    ): "either --network or --set",
    ("stylize", "--set", "image_shape=9,9,3"): "follows from the content",
    ("stylize", "--set", "image_shapes=9,9,3"): "Did you mean",
    ("stylize", "one.png"): "give two images",
}


@pytest.mark.parametrize("args", WITHOUT_EFFECT, ids=lambda args: " ".join(args)[:60])
def test_an_option_without_effect_is_an_error(trained_dir, args):
    before = sorted(trained_dir.rglob("*"))
    assert WITHOUT_EFFECT[args] in run_error(*args)
    assert sorted(trained_dir.rglob("*")) == before


def test_options_that_messages_name_exist():
    known = {opt for cmd in main.commands.values() for param in cmd.params for opt in param.opts}
    known |= {"--help", "--version", "--logdir", "--keep-remainder"}
    git = {"--dirty", "--abbrev", "--always", "--exclude"}
    for path in sorted((HOME / "zoo").rglob("*.py")):
        named = {*re.findall(r"(?<![\w`'-])--[a-z][a-z-]+", path.read_text())}
        assert named - git <= known, path


def test_in_python_values_decide_and_not_the_command_line():
    options = {"data": "images.npz", "test": "train"}
    config_from_options("vae", max_length=100, **options)
    with pytest.raises(UsageError, match="where --max-length has no effect"):
        config_from_options("vae", max_length=99, **options)


def test_languages_must_be_two(empty_dir):
    for value in ("²,³", "de", "de,en,fr", ",", "1,-1", "9" * 5000 + ",0"):
        (empty_dir / "t.tsv").write_text("a\tb\n" * 3)
        result = run("train", "seq2seq", "--data", "t.tsv", "--languages", value)
        assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result
