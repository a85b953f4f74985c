"""`zoo sample`: draw images from a run, as a picture or as an array."""

from pathlib import Path

import click

from zoo import runs
from zoo.errors import UsageError, ZooError
from zoo.terminal import BEST, SEED, SIZE, answers


@click.command()
@click.argument("run")
@click.option("-n", "n", type=SIZE, default=64, show_default=True, help="How many images.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the noise.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A picture (.png), or the bare array (.npy, .npz).  [default: in the run's figures]",
)
@BEST
@answers(lambda record: click.echo(record["file"]))
def sample(run, n, seed, output, best):
    """Draw images from a run.

    RUN is a folder made by `zoo train`, or a model's name, which means its newest run.

    \b
    zoo sample runs/vae-mnist -n 64
    zoo sample vae -n 1000 --seed 1 -o digits.npz      an array `image` [1000, 28, 28, 1]
    """
    if output and output.suffix not in (".png", ".npy", ".npz"):
        raise UsageError(f"-o takes a file that ends in .png, .npy or .npz; got {str(output)!r}")
    settings, workdir = runs.taken(run, best=best)
    if output is None and workdir:
        output = workdir / "figures" / f"samples-seed{seed}.png"
    output = output or Path(f"{settings.model}-samples.png")
    trainer = runs.opened(settings, workdir, best)
    with trainer.averaged() as model:
        try:
            draw(model, n, seed, output)
        except OSError as error:
            raise ZooError(f"cannot write {output}: {error.strerror or error}") from error
    return {"run": workdir and str(workdir), "file": str(output), "n": n, "seed": seed}


def draw(model, n, seed, path):
    """`n` samples as a picture or as an array, which the file's ending decides."""
    import numpy as np

    from zoo import figures

    if path.suffix == ".png":
        figures.samples(model, n, seed, path)
        return
    images = np.asarray(figures.verb(model, "sample")(n, seed=seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, images)
    else:
        np.savez_compressed(path, image=images)
