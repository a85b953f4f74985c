"""`zoo sample`: samples, translations or captions of a model, as a figure, an array or a table."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import registry
from zoo.cli import output, runs
from zoo.cli.options import (
    ARRAY_SUFFIXES,
    BEST_OPTION,
    FIGURE_SUFFIXES,
    SEED,
    Number,
    OutputFile,
    UserPath,
    join_words,
    reject_options,
)
from zoo.cli.terminal import import_tensorflow, json_option
from zoo.errors import UsageError
from zoo.files import check_writable
from zoo.recipes import loading

if TYPE_CHECKING:
    from zoo.model import Model


@click.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "-n", "n", type=Number("n"), help="Number of samples.  [default: 64; 8 of pairs and captions]"
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
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=OutputFile(*FIGURE_SUFFIXES, *ARRAY_SUFFIXES, ".tsv"),
    help="File to write: a figure (.png, .jpg, .pdf, .svg) or an array (.npy, .npz); for text a"
    " table (.tsv).  [default: in the run's figures]",
)
@BEST_OPTION
@json_option(lambda record: click.echo(record["file"]))
def sample(
    model: str,
    n: int | None,
    seed: int | None,
    label: int | None,
    reference: Path | None,
    file: Path | None,
    best: bool,
) -> dict[str, Any]:
    """Sample images from a trained model, or show its translations or captions.

    MODEL is a folder made by `zoo train`, or the name of a model (its newest run). Models
    that generate images from noise may also be a preset, a .keras file, or a folder made by `zoo
    reproduce`. Models that translate images or text show sources, outputs and targets of the test
    split; models that caption show images with the attention weights of each word.

    \b
    zoo sample dcgan.mnist
    zoo sample runs/vae-mnist -n 64
    zoo sample vae -n 1000 --seed 1 -o digits.npz      an array `image` [1000, 28, 28, 1]
    zoo sample runs/conditional_dcgan-mnist --label 7
    zoo sample instance_dcgan.fashion_mnist --reference shoe.png
    zoo sample runs/pix2pix-facades -n 6
    zoo sample runs/seq2seq-dates -n 20                a table of 20 dates
    zoo sample runs/captioning-shapes -n 6
    """
    resolved = loading.resolve(model)
    import_tensorflow()
    name = resolved.run.config.model if resolved.run else resolved.name
    if resolved.kind in ("preset", "file"):
        trained = loading.open_resolved(resolved, best)
        return sample_preset(trained, model, n, seed, label, reference, file)
    cls = registry.get_class(name)
    texts = cls.data_kind == "pairs"
    captions = cls.data_kind == "captions"
    pairs = hasattr(cls, "translate") or captions
    suffixes: tuple[str, ...] = (*FIGURE_SUFFIXES, *ARRAY_SUFFIXES)
    if texts:
        suffixes = (".tsv",)
    elif captions:
        suffixes = FIGURE_SUFFIXES
        reject_options(["seed"], f"captions of {name} are not random here; leave it out")
    _check_suffix(file, suffixes)
    if n is None:
        n = 8 if pairs else 64
    if seed is None and not pairs:
        seed = 0
    workdir = resolved.run.workdir if resolved.run else None
    if file is None:
        file = _default_file(name, workdir, seed, pairs, captions, suffixes[0])
        check_writable(file)
    if not pairs:
        assert seed is not None
        with runs.open_model(model, best) as (averaged_model, _, _):
            sample_options = conditions(averaged_model, label, reference)
            output.write_samples(averaged_model, n, seed, file, **sample_options)
        return {"run": workdir and str(workdir), "file": str(file), "n": n, "seed": seed}
    loaded = runs.open_trainer(model, best=best)
    conditions(loaded.trainer.model, label, reference)
    if not getattr(loaded.trainer.model, "dropout", True):
        reject_options(["seed"], f"is for dropout, and {name} has none here; leave it out")
    text_config = loaded.config.text_config
    with loaded.trainer.averaged_weights() as averaged_model:
        if texts and text_config:
            options = {"seed": seed, "max_length": text_config.max_length, "truncate": True}
            output.write_table(averaged_model, loaded.data.corpus, n, file, **options)
        elif text_config:
            images = loaded.data.corpus.arrays["image"][:n]
            output.write_attention(averaged_model, images, text_config.max_length, file)
        else:
            output.write_translations(averaged_model, loaded.data.take(n), seed, file)
    return {"run": workdir and str(workdir), "file": str(file), "n": n, "seed": seed}


def _default_file(
    model: str,
    workdir: Path | None,
    seed: int | None,
    pairs: bool,
    captions: bool,
    suffix: str,
) -> Path:
    """In the run's figures; without a run, in the current folder."""
    stem = "captioned" if captions else "translated" if pairs else "samples"
    if workdir is None:
        return Path(f"{model}-{stem}{suffix}")
    seed_part = "" if seed is None else f"-seed{seed}"
    return workdir / "figures" / f"{stem}{seed_part}{suffix}"


def sample_preset(
    model: "Model",
    name: str,
    n: int | None,
    seed: int | None,
    label: int | None,
    reference: Path | None,
    file: Path | None,
) -> dict[str, Any]:
    """Writes samples of a model that needs no data; returns the record of the command.

    Args:
        model: the trained model.
        name: its origin, as on the command line.
        n, seed, label, like, file: the options of the command.

    Raises UsageError for a model that cannot sample.
    """
    if not hasattr(model, "sample"):
        raise UsageError(
            f"{name} is a {model.name} without data, and needs some to translate or caption: use a"
            " run of `zoo train`, or the command translate or caption"
        )
    _check_suffix(file, (*FIGURE_SUFFIXES, *ARRAY_SUFFIXES))
    if file is None:
        file = Path(f"{model.name}-samples{FIGURE_SUFFIXES[0]}")
        check_writable(file)
    n = 64 if n is None else n
    seed = 0 if seed is None else seed
    output.write_samples(model, n, seed, file, **conditions(model, label, reference))
    return {"run": name, "file": str(file), "n": n, "seed": seed}


def _check_suffix(file: Path | None, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError for a file that this model cannot write."""
    if file is not None and file.suffix.lower() not in suffixes:
        raise UsageError(f"-o takes a file that ends in {join_words(suffixes)}; got {str(file)!r}")


def conditions(model: "Model", label: int | None, reference: Path | None) -> dict[str, Any]:
    """The keyword arguments of `model.sample` for a class or an image.

    Raises UsageError if the model is not conditional, or not on that.
    """
    arguments: dict[str, Any] = {}
    if label is not None:
        num_classes = getattr(model, "num_classes", 0)
        if label >= num_classes:
            known = f"has the classes 0 ... {num_classes - 1}" if num_classes else "has no classes"
            raise UsageError(f"{model.name} {known}, got --label {label}")
        arguments["label"] = label
    if reference is not None:
        method = getattr(model, "sample", None)
        if not method or "reference" not in inspect.signature(method).parameters:
            raise UsageError(
                f"{model.name} is not conditioned on an image, got --reference {reference}"
            )
        from zoo.data.image_files import read_image

        rows, columns, channels = model.image_shape
        image = read_image(reference, channels, rows if rows == columns else None)
        if image.shape != model.image_shape:
            raise UsageError(
                f"{model.name} generates images of shape {model.image_shape}, {reference} has"
                f" {image.shape}"
            )
        arguments["reference"] = image[None] / 255
    return arguments
