"""Options: numbers within bounds on every command, and none that means nothing without a word."""

import re

import click
import pytest
from shell import HOME, SMALL, refused, run

from zoo.cli.main import main
from zoo.cli.options import Number
from zoo.errors import UsageError

NUMBERS = [
    (name, max(param.opts, key=len), param.type)
    for name, command in main.commands.items()
    for param in command.params
    if isinstance(param.type, Number)
]
WRONG = ("-1", str(2**64), "9" * 5000, "1e400", "nan", "inf", "many", "", "²", "1.5.2")


def test_every_number_is_of_the_table():
    for command in main.commands.values():
        for param in command.params:
            kinds = click.types.IntParamType | click.types.FloatParamType
            assert not isinstance(param.type, kinds), param.name
    assert len(NUMBERS) > 25


@pytest.mark.parametrize("name, option, kind", NUMBERS, ids=lambda value: str(value)[:20])
def test_numbers_out_of_bounds_are_one_line(here, name, option, kind):
    needed = ("RUN",) * sum(param.required for param in main.commands[name].params)
    wrong = [*WRONG, *([] if kind.interval.most > 2**31 else [str(2**31)])]
    for value in (*wrong, "2.5", "1e9") if kind.interval.whole else (*wrong, "0"):
        if kind.interval.accepts(_number(value)):
            continue
        error = refused(name, *needed, option, value)
        last = error.splitlines()[-1]
        assert last.startswith("Error: Invalid value for ") and len(last) < 250
    assert list(here.iterdir()) == [here / "images.npz"]


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


MEANINGLESS = {  # even where the option repeats its default
    (
        "train",
        "vae",
        *SMALL,
        "--max-length",
        "100",
    ): "vae learns from images, of which --max-length",
    ("train", "vae", *SMALL, "--tokens", "bpe"): "of which --tokens says nothing",
    ("train", "simple_dot", "--binarize", "none"): "simple_dot learns from ratings, of which",
    ("train", "seq2seq", "--augment", "none"): "of which --augment says nothing",
    ("train", "captioning", "--languages", "de,en"): "of which --languages says nothing",
    ("train", "seq2seq", "--vocabulary-size", "8000"): "dates is cut into characters",
    ("sample", "runs/vae-images", "--label", "0"): "vae was told of no classes",
    ("sample", "runs/vae-images", "--like", "a.png"): "vae does not draw around an image",
    ("sample", "vae.snowflakes", "--best"): "--best goes with a run of `zoo train`",
    ("sample", "captioning.shapes", "-n", "2"): "needs some to show what it does",
    ("evaluate", "runs/vae-images", "--binarize", "often"): "'often' is not one of",
    ("inspect", "runs/vae-images", "--set", "latent_dim=2"): "--set goes with a model's name",
    (
        "export",
        "runs/vae-images",
        "x",
        "--num-beams",
        "5",
    ): "--num-beams: is of words, and VAE answers in",
    ("export", "vae.snowflakes", "x", "--max-length", "100"): "--max-length: is of words",
    ("translate", "seq2seq", "x", "--seed", "0", "--num-beams", "5"): "leave one of them out",
    ("translate", "seq2seq", "x", "--input", "y"): "give texts to translate, or --input",
    ("caption", "captioning", "x.png", "--weights", "imagenet"): "--weights: needs --network",
    ("caption", "captioning", "x.png", "--image-size", "224"): "--image-size: needs --network",
    ("stylize", "--seed", "0"): "only --start noise",
    ("stylize", "--features", "random", "--set", "features=vgg19"): "either --features or --set",
    ("stylize", "--set", "image_shape=9,9,3"): "follows from the content",
    ("stylize", "--set", "image_shapes=9,9,3"): "Did you mean",
    ("stylize", "one.png"): "give two pictures",
}


@pytest.mark.parametrize("args", MEANINGLESS, ids=lambda args: " ".join(args)[:60])
def test_an_option_that_means_nothing_is_refused(there, args):
    before = sorted(there.rglob("*"))
    assert MEANINGLESS[args] in refused(*args)
    assert sorted(there.rglob("*")) == before


def test_options_that_messages_name_exist():
    known = {opt for one in main.commands.values() for param in one.params for opt in param.opts}
    known |= {"--help", "--version", "--logdir"}  # the last is of TensorBoard
    git = {"--dirty", "--abbrev", "--always", "--exclude"}
    for path in sorted((HOME / "zoo").rglob("*.py")):
        named = {*re.findall(r"(?<![\w`'-])--[a-z][a-z-]+", path.read_text())}
        assert named - git <= known, path


def test_no_option_is_looked_at_outside_of_a_command():
    """`fitting` in Python: values count, and not a command line that is not there."""
    from zoo.cli import runs

    runs.asked("vae", "images.npz", max_length=100, test_split="train")
    with pytest.raises(UsageError, match="of which --max-length says nothing"):
        runs.asked("vae", "images.npz", max_length=99, test_split="train")


def test_two_languages_are_wanted(here):
    for value in ("²,³", "de", "de,en,fr", ",", "1,-1", "9" * 5000 + ",0"):
        (here / "t.tsv").write_text("a\tb\n" * 3)
        result = run("train", "seq2seq", "--data", "t.tsv", "--languages", value)
        assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result
