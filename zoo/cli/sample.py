"""`zoo sample`: what a run makes of noise, pictures or texts: a picture, an array, a table."""

import functools
import inspect
from pathlib import Path

import click

from zoo import registry
from zoo.cli import runs
from zoo.cli.load import finished
from zoo.cli.options import ARRAYS, FIGURES, SEED, Number, OutputFile, listed, refuse
from zoo.cli.terminal import BEST, UserPath, answers, import_tensorflow
from zoo.errors import UsageError
from zoo.files import check_writable, write_atomically


@click.command()
@click.argument("run")
@click.option("-n", "n", type=Number("n"), help="How many images.  [default: 64; of pairs 8]")
@click.option("--seed", type=SEED, help="Of the noise.  [default: 0; for pairs no noise]")
@click.option("--label", type=Number("label"), help="Of this class only.  [default: each in turn]")
@click.option(
    "--like",
    metavar="FILE",
    type=UserPath(path_type=Path),
    help="Of the neighbourhood of this picture.  [default: of all]",
)
@click.option(
    "-o",
    "--output",
    type=OutputFile(*FIGURES, *ARRAYS, ".tsv"),
    help="A picture (.png, .jpg, .pdf, .svg), or the bare array (.npy, .npz); of texts a table"
    " (.tsv).  [default: in the run's figures]",
)
@BEST
@answers(lambda record: click.echo(record["file"]))
def sample(run, n, seed, label, like, output, best):
    """Draw images from a run, or let it translate texts, or put images into words.

    RUN is a folder made by `zoo train`, or a model's name, which means its newest run. A model
    that translates pictures or texts is shown those of the test split: input, output and truth. A
    model that captions is shown its images, and where it looked for each word. One that draws out
    of noise may also be a preset, a .keras file, or a folder made by `zoo reproduce`.

    \b
    zoo sample dcgan.mnist
    zoo sample runs/vae-mnist -n 64
    zoo sample vae -n 1000 --seed 1 -o digits.npz      an array `image` [1000, 28, 28, 1]
    zoo sample runs/conditional_dcgan-mnist --label 7
    zoo sample instance_dcgan.fashion_mnist --like shoe.png
    zoo sample runs/pix2pix-facades -n 6
    zoo sample runs/seq2seq-dates -n 20                a table of 20 dates
    zoo sample runs/captioning-shapes -n 6
    """
    if model := finished(run, best):
        return alone(model, run, n, seed, label, like, output)
    settings, workdir = runs.taken(run, best=best)
    import_tensorflow()
    cls = registry.get_class(settings.model)
    texts, captions = settings.kind == "pairs", settings.kind == "captions"
    pairs = hasattr(cls, "translate") or captions
    endings = (".tsv",) if texts else FIGURES if captions else (*FIGURES, *ARRAYS)
    check_ending(output, endings)
    if captions:
        refuse(["seed"], f"{settings.model} puts images into words without chance here")
    n = n if n is not None else 8 if pairs else 64
    seed = 0 if seed is None and not pairs else seed
    if output is None:
        made = "captioned" if captions else "translated" if pairs else "samples"
        which = "" if seed is None else f"-seed{seed}"
        output = workdir / "figures" / f"{made}{which}{endings[0]}" if workdir else None
        output = output or Path(f"{settings.model}-{made}{endings[0]}")
        check_writable(output)
    data = settings.load(settings.test_split) if pairs else None
    trainer = runs.opened(settings, workdir, best, data)
    told = asked(trainer.model, label, like)
    if pairs and not getattr(trainer.model, "dropout", True):
        refuse(["seed"], f"is of the dropout, and this {settings.model} has none; leave it out")
    with trainer.averaged() as model:
        if texts:
            max_length = settings.max_length
            tabulate(model, data.corpus, n, output, seed=seed, max_length=max_length, truncate=True)
        elif captions:
            look(model, data.corpus.arrays["image"][:n], settings.max_length, output)
        elif pairs:
            translate(model, data.take(n), seed, output)
        else:
            draw(model, n, seed, output, **told)
    return {"run": workdir and str(workdir), "file": str(output), "n": n, "seed": seed}


def alone(model, place, n, seed, label, like, output):
    """Samples of a model without its data."""
    if not hasattr(model, "sample"):
        raise UsageError(
            f"{place} is a {model.name} without its data, and needs some to show what it does: give"
            " a run of `zoo train`, or texts to `zoo translate`"
        )
    check_ending(output, (*FIGURES, *ARRAYS))
    if output is None:
        output = Path(f"{model.name}-samples{FIGURES[0]}")
        check_writable(output)
    n, seed = 64 if n is None else n, 0 if seed is None else seed
    draw(model, n, seed, output, **asked(model, label, like))
    return {"run": place, "file": str(output), "n": n, "seed": seed}


def check_ending(output, endings):
    """Raises UsageError for a file that this model cannot write."""
    if output is not None and output.suffix.lower() not in endings:
        raise UsageError(f"-o takes a file that ends in {listed(endings)}; got {str(output)!r}")


def asked(model, label, like):
    """What else `model.sample` is told: a class, images; raises UsageError if it cannot be."""
    told = {}
    if label is not None:
        known = getattr(model, "classes", 0)
        if label >= known:
            has = f"has the classes 0 ... {known - 1}" if known else "was told of no classes"
            raise UsageError(f"{model.name} {has}, got --label {label}")
        told["label"] = label
    if like is not None:
        sample = getattr(model, "sample", None)
        if not sample or "like" not in inspect.signature(sample).parameters:
            raise UsageError(f"{model.name} does not draw around an image, got --like {like}")
        from zoo.data.image_files import read_image

        rows, columns, channels = model.image_shape
        image = read_image(like, channels, rows if rows == columns else None)
        if image.shape != model.image_shape:
            raise UsageError(f"{model.name} draws {model.image_shape}, {like} is {image.shape}")
        told["like"] = image[None] / 255
    return told


def draw(model, n, seed, path, **told):
    """`n` samples as a picture or as an array, which the file's ending decides."""
    from zoo import figures

    if path.suffix.lower() in FIGURES:
        figures.samples(model, n, seed, path, **told)
    else:
        write(path, image=figures.verb(model, "sample")(n, seed=seed, **told))


def translate(model, batch, seed, path):
    """The sources of a batch translated: a picture beside the truth, or arrays."""
    from zoo import figures

    source, target = batch["source"], batch["target"]
    if path.suffix.lower() in FIGURES:
        figures.translations(model, source, target, len(source), seed, path)
    else:
        write(path, image=model.translate(source, seed=seed), source=source, target=target)


def look(model, images, max_length, path):
    """The images and where the model looked for each word that it says of them."""
    from zoo import figures

    figures.caption_maps(images, model.attention_maps(images, max_length=max_length), path)


def tabulate(model, corpus, n, path, **how):
    """The first `n` sources of a corpus translated, beside the truth: a table with tabs."""
    source, target = (corpus.texts[side][:n] for side in ("source", "target"))
    rows = zip(source, model.translate(source, **how), target, strict=True)
    table = [("source", "translated", "target"), *rows]
    lines = ["\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in table]
    write_atomically(path, lambda file: file.write("".join(lines).encode()))


def write(path, image, **others):
    """Arrays as .npz, or the images alone as .npy."""
    import numpy as np

    image = np.asarray(image)
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda file: np.save(file, image))
    else:
        write_atomically(path, functools.partial(np.savez_compressed, image=image, **others))
