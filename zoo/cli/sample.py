"""`zoo sample`: samples, translations or captions of a model, as a figure, an array or a table."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import registry
from zoo.cli import runs
from zoo.cli.completion import complete_trained
from zoo.cli.options import (
    ARRAY_SUFFIXES,
    BEST_OPTION,
    FIGURE_SUFFIXES,
    SEED,
    Number,
    OutputFile,
    UserPath,
    join_words,
)
from zoo.cli.terminal import import_tensorflow, json_option
from zoo.errors import UsageError
from zoo.files import check_writable
from zoo.recipes import loading

if TYPE_CHECKING:
    from zoo.model import Model


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=complete_trained)
@click.option(
    "-n",
    "n",
    type=Number("n"),
    help="Number of samples.  [default: 64; 8 if made from test data; 1 for language models]",
)
@click.option(
    "--seed", type=SEED, help="Seed for the noise.  [default: 0; no noise for image pairs]"
)
@click.option(
    "--label",
    type=Number("label"),
    help="Class of the samples, for conditional models.  [default: all classes in turn]",
)
@click.option(
    "--reference",
    metavar="FILE",
    type=UserPath(path_type=Path),
    help="Image that the samples resemble, for instance-conditioned models.  [default: training"
    " images]",
)
@click.option(
    "--sampler",
    help="Sampler of a diffusion model or flow: ddim, ancestral, euler, midpoint, heun."
    "  [default: the model's]",
)
@click.option(
    "--steps", type=Number("sampling_steps"), help="Steps of the sampler.  [default: the model's]"
)
@click.option(
    "--guidance",
    type=Number("guidance"),
    help="Scale of classifier-free guidance; 1 is none.  [default: 1]",
)
@click.option(
    "--film",
    is_flag=True,
    default=None,
    help="Show the steps from noise to image: a row for each image, or an animation (.gif).",
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=OutputFile(*FIGURE_SUFFIXES, *ARRAY_SUFFIXES, ".gif", ".tsv", ".txt", ".wav"),
    help="File to write: a figure (.png, .jpg, .pdf, .svg), an animated film (.gif) or an array"
    " (.npy, .npz); for text a table (.tsv), a text (.txt) or the sound of a chorale (.wav)."
    "  [default: in the run's figures]",
)
@BEST_OPTION
@json_option(lambda record: click.echo(record["file"]))
def sample(
    model: str,
    n: int | None,
    seed: int | None,
    label: int | None,
    reference: Path | None,
    sampler: str | None,
    steps: int | None,
    guidance: float | None,
    film: bool | None,
    file: Path | None,
    best: bool,
) -> dict[str, Any]:
    """Sample images from a trained model, or show its translations or captions.

    MODEL is the folder of a run, a preset, a .keras file, or the name of a model (its newest run).
    Models that translate images or text show sources, outputs and targets of the test split; models
    that caption show images with the attention weights of each word; models of ratings show
    predicted and true ratings. All of these need a run, which has a test split. Language models
    generate a text, or a chorale as a score (.png) or sound (.wav).

    \b
    zoo sample deligan.mnist
    zoo sample runs/vae-mnist -n 64
    zoo sample vae -n 1000 --seed 1 -o digits.npz      an array `image` [1000, 28, 28, 1]
    zoo sample runs/conditional_dcgan-mnist --label 7
    zoo sample instance_dcgan.fashion_mnist --reference shoe.png
    zoo sample runs/ddpm-mnist --sampler ddim --steps 20 --label 7 --guidance 2
    zoo sample runs/ddpm-mnist --film -o digits.gif
    zoo sample runs/pix2pix-facades -n 6
    zoo sample runs/seq2seq-dates -n 20                a table of 20 dates
    zoo sample runs/captioning-shapes -n 6
    """
    explicit: dict[str, Any] = {"n": n, "seed": seed, "label": label, "reference": reference}
    explicit |= {"sampler": sampler, "steps": steps, "guidance": guidance, "film": film}
    options = {name: value for name, value in explicit.items() if value is not None}
    resolved = loading.resolve(model)
    import_tensorflow()
    if resolved.kind in ("preset", "file"):
        trained = loading.open_resolved(resolved, best)
        arguments = sample_arguments(type(trained), options)
        if "data" in arguments:
            raise UsageError(
                f"{model} is a {trained.name} without data, and its samples need inputs from a data"
                " set: use a run of `zoo train`, or the command translate or caption"
            )
        file = _output_file(type(trained), file, Path(f"{trained.name}-samples"))
        trained.write_samples(file, **arguments)
        return _record(model, file, arguments)
    run = resolved.run
    name = run.config.model if run else model
    workdir = run.workdir if run else None
    cls = registry.get_class(name)
    arguments = sample_arguments(cls, options)
    file = _output_file(cls, file, _default_stem(name, workdir, arguments.get("seed")))
    if "data" in arguments:
        loaded = runs.open_trainer(model, best=best)
        arguments["data"] = loaded.data
        with loaded.trainer.averaged_weights() as averaged_model:
            averaged_model.write_samples(file, **arguments)
    else:
        with runs.open_model(model, best) as (averaged_model, _, _):
            averaged_model.write_samples(file, **arguments)
    return _record(workdir and str(workdir), file, arguments)


def sample_arguments(cls: "type[Model]", options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `write_samples` except the file: options, or defaults where none was given.

    The value of `data`, if the class has that argument, is None here.

    Args:
        cls: the class of the model.
        options: options of the command line.

    Raises UsageError: an option that is not an argument.
    """
    parameters = inspect.signature(cls.write_samples).parameters
    for name in options:
        if name not in parameters:
            raise UsageError(
                f"--{name} has no effect on the samples of {cls.__name__}: leave it out"
            )
    defaults = {
        name: None if name == "data" else parameter.default
        for name, parameter in parameters.items()
        if name not in ("self", "file")
    }
    return defaults | options


def _output_file(cls: "type[Model]", file: Path | None, stem: Path) -> Path:
    """The file to write; raises UsageError if the model writes no such file."""
    suffixes = cls.sample_suffixes
    if file is None:
        file = stem.with_name(stem.name + suffixes[0])
        check_writable(file)
    elif file.suffix.lower() not in suffixes:
        raise UsageError(f"-o takes a file that ends in {join_words(suffixes)}; got {str(file)!r}")
    return file


def _default_stem(model: str, workdir: Path | None, seed: int | None) -> Path:
    """In the run's figures; without a run, in the current folder."""
    if workdir is None:
        return Path(f"{model}-samples")
    return workdir / "figures" / ("samples" if seed is None else f"samples-seed{seed}")


def _record(origin: Any, file: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    chosen = {name: arguments.get(name) for name in ("n", "seed")}
    return {"run": origin, "file": str(file), **chosen}
