"""`zoo stylize`: renders an image in the style of another."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo import registry
from zoo.cli.options import (
    FIGURE_SUFFIXES,
    SEED,
    SET_OPTION,
    Number,
    OutputFile,
    OutputFolder,
    UserPath,
    explicit_options,
    reject_options,
)
from zoo.cli.overrides import parse_overrides
from zoo.cli.terminal import import_tensorflow, json_option
from zoo.errors import UsageError
from zoo.log import log_message

if TYPE_CHECKING:
    import numpy as np

    from zoo.model import Model

MODEL = "style_transfer"


def _show(record: dict[str, Any]) -> None:
    click.echo(
        f"{record['file']}: loss {record['loss']:.4g} after {record['step']} steps"
        f" ({record['evaluations']} evaluations, {record['seconds']:.0f} s)"
    )


@click.command()
@click.argument("content", required=False, type=UserPath(path_type=Path))
@click.argument("style", required=False, type=UserPath(path_type=Path))
@click.option(
    "--network",
    metavar="NETWORK",
    default="random",
    show_default=True,
    help="Feature network: random; vgg19 (from Keras' cache); an .h5 file of VGG19's weights; or a"
    " .keras file.",
)
@click.option(
    "--size",
    type=Number("size"),
    default=256,
    show_default=True,
    help="Longest side of the image, in pixels.",
)
@click.option(
    "--steps",
    type=Number("steps", positive=True),
    default=300,
    show_default=True,
    help="Number of optimizer steps.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["lbfgs", "adam"]),
    default="lbfgs",
    show_default=True,
    help="Optimizer of the pixels.",
)
@click.option(
    "--init",
    type=click.Choice(["content", "noise"]),
    default="content",
    show_default=True,
    help="Initial image.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed for --init noise.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OutputFile(*FIGURE_SUFFIXES),
    default="stylized.png",
    show_default=True,
    help="Image file to write (.png, .jpg, .pdf or .svg).",
)
@click.option(
    "--frames",
    type=OutputFolder(),
    help="Folder for the intermediate images, one every 10 steps.",
)
@SET_OPTION
@json_option(_show)
def stylize(
    content: Path | None,
    style: Path | None,
    network: str,
    size: int,
    output: Path,
    frames: Path | None,
    overrides: tuple[str, ...],
    **options: Any,
) -> dict[str, Any]:
    """Render an image in the style of another.

    CONTENT and STYLE are image files: the image to render, and the image whose style it gets.
    Without them, two generated images are used, a landscape and brushwork. The arguments that
    --set takes are listed by: zoo info style_transfer

    \b
    zoo stylize
    zoo stylize cat.jpg kandinsky.jpg --network vgg19 -o cat.png
    zoo stylize cat.jpg kandinsky.jpg --network vgg19.h5 --set style_weight=100 --optimizer adam
    """
    config = {"feature_network": network, **parse_overrides(MODEL, overrides)}
    if "image_shape" in config:
        raise UsageError("--set image_shape follows from the content and --size: leave it out")
    if "network" in explicit_options() and config["feature_network"] != network:
        raise UsageError("use either --network or --set feature_network")
    if options["init"] == "content":
        reject_options(["seed"], "needs --init noise")
        options["seed"] = None
    if content and not style:
        raise UsageError("give two images, the content and the style, or none; got one")
    import_tensorflow()
    from zoo import figures
    from zoo.data.builders import style_images

    if content:
        content_image = style_images.read_scaled(content, size)
    else:
        content_image = style_images.landscape(size)
    style_image = style_images.read_scaled(style, size) if style else style_images.brushwork(size)
    model = registry.build(MODEL, **{**config, "image_shape": (*content_image.shape[:2], 3)})
    began = time.perf_counter()
    image, history = stylize_with_progress(
        model, content_image, style_image, frames=frames, **options
    )
    figures.save(output, image)
    return {
        "file": str(output),
        "content": content and str(content),
        "style": style and str(style),
        "network": config["feature_network"],
        "shape": [*image.shape],
        "seconds": time.perf_counter() - began,
        **history[-1],
    }


def stylize_with_progress(
    model: "Model",
    content: "np.ndarray",
    style: "np.ndarray",
    *,
    steps: int = 300,
    progress: bool = True,
    frames: Path | None = None,
    **options: Any,
) -> tuple[Any, list[dict[str, Any]]]:
    """`model.stylize` with a progress bar on stderr and, if requested, the intermediate images.

    Args:
        model: style_transfer.
        content, style, steps: as in `model.stylize`.
        progress: whether to show the bar; if stderr is not a terminal, a line every 50 steps.
        frames: folder for `step-0000.png` and so on; None writes none.
        options: further ones of `model.stylize`.

    Raises UsageError where `stylize` raises ValueError.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from zoo import figures

    console = Console(stderr=True)
    columns = [*Progress.get_default_columns(), TextColumn("{task.fields[losses]}")]
    bar = Progress(*columns, console=console, disable=not (progress and console.is_terminal))
    task = bar.add_task("stylizing", total=steps, losses="")

    def show_step(image: Any, entry: dict[str, Any]) -> None:
        losses = "  ".join(f"{k} {v:.4g}" for k, v in entry.items() if isinstance(v, float))
        bar.update(task, completed=entry["step"], losses=losses)
        if progress and not console.is_terminal and entry["step"] % 50 == 0:
            log_message(f"step {entry['step']}/{steps}: {losses}")
        if frames:
            figures.save(Path(frames) / f"step-{entry['step']:04d}.png", image)

    try:
        with bar:
            return model.stylize(content, style, steps=steps, callback=show_step, **options)
    except ValueError as error:
        raise UsageError(str(error)) from error
