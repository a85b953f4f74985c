"""`zoo stylize`: paint one picture in the style of another, and watch it being painted."""

import time
from pathlib import Path

import click

from zoo import registry
from zoo.cli.options import FIGURES, SEED, Number, OutputFile, OutputFolder, explicit, refuse
from zoo.cli.overrides import overrides
from zoo.cli.terminal import SET, UserPath, answers, import_tensorflow, note
from zoo.errors import UsageError

MODEL = "style_transfer"


def show(record):
    click.echo(
        f"{record['file']}: loss {record['loss']:.4g} after {record['step']} steps"
        f" ({record['evaluations']} evaluations, {record['seconds']:.0f} s)"
    )


@click.command()
@click.argument("content", required=False, type=UserPath(path_type=Path))
@click.argument("style", required=False, type=UserPath(path_type=Path))
@click.option(
    "--features",
    metavar="NETWORK",
    default="random",
    show_default=True,
    help="random; vgg19 (of Keras' cache); an .h5 file of VGG19's weights; a .keras file.",
)
@click.option(
    "--size",
    type=Number("size"),
    default=256,
    show_default=True,
    help="Longest side, in pixels.",
)
@click.option(
    "--steps",
    type=Number("steps", positive=True),
    default=300,
    show_default=True,
    help="Of the optimizer.",
)
@click.option(
    "--optimizer", type=click.Choice(["lbfgs", "adam"]), default="lbfgs", show_default=True
)
@click.option(
    "--start",
    "init",
    type=click.Choice(["content", "noise"]),
    default="content",
    show_default=True,
    help="What is on the canvas at first.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the noise.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(*FIGURES),
    default="stylized.png",
    show_default=True,
    help="The picture: .png, .jpg, .pdf or .svg.",
)
@click.option(
    "--frames",
    type=OutputFolder(),
    help="A folder for the picture as it is after every 10 steps.",
)
@SET
@answers(show)
def stylize(content, style, features, size, output, frames, pairs, **options):
    """Paint a picture in the style of another.

    CONTENT says what is painted, STYLE how; both are image files. Without them, a landscape and
    brushwork that come with the zoo are taken. What --set takes is listed by: zoo info
    style_transfer

    \b
    zoo stylize
    zoo stylize cat.jpg kandinsky.jpg --features vgg19 -o cat.png
    zoo stylize cat.jpg kandinsky.jpg --features vgg19.h5 --set style_weight=100 --optimizer adam
    """
    config = {"feature_network": features, **overrides(MODEL, pairs)}
    if "image_shape" in config:
        raise UsageError("--set image_shape follows from the content and --size: leave it out")
    if "features" in explicit() and config["feature_network"] != features:
        raise UsageError("give either --features or --set feature_network")
    if options["init"] == "content":
        refuse(["seed"], "is of the noise, which only --start noise begins with")
    if content and not style:
        raise UsageError("give two pictures, the content and the style, or none; got one")
    import_tensorflow()
    from zoo import figures
    from zoo.data.builders import style_images

    photograph = style_images.read(content, size) if content else style_images.landscape(size)
    artwork = style_images.read(style, size) if style else style_images.brushwork(size)
    model = registry.build(MODEL, **{**config, "image_shape": (*photograph.shape[:2], 3)})
    began = time.perf_counter()
    picture, history = paint(model, photograph, artwork, frames=frames, **options)
    figures.save(output, picture)
    return {
        "file": str(output),
        "content": content and str(content),
        "style": style and str(style),
        "features": config["feature_network"],
        "shape": [*picture.shape],
        "seconds": time.perf_counter() - began,
        **history[-1],
    }


def paint(model, content, style, *, steps=300, progress=True, frames=None, **options):
    """`model.stylize` with a bar on stderr and, on request, a picture after every few steps.

    Args:
        frames: folder for `step-0000.png` and so on.
        progress: whether there is a bar; where stderr is no terminal, one line now and then.
        options: as `stylize` takes them, as are the rest.

    Raises UsageError where `stylize` raises ValueError.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from zoo import figures

    console = Console(stderr=True)
    columns = [*Progress.get_default_columns(), TextColumn("{task.fields[losses]}")]
    bar = Progress(*columns, console=console, disable=not (progress and console.is_terminal))
    task = bar.add_task("painting", total=steps, losses="")

    def watch(picture, entry):
        losses = "  ".join(f"{k} {v:.4g}" for k, v in entry.items() if isinstance(v, float))
        bar.update(task, completed=entry["step"], losses=losses)
        if progress and not console.is_terminal and entry["step"] % 50 == 0:
            note(f"step {entry['step']}/{steps}: {losses}")
        if frames:
            figures.save(Path(frames) / f"step-{entry['step']:04d}.png", picture)

    try:
        with bar:
            return model.stylize(content, style, steps=steps, callback=watch, **options)
    except ValueError as error:
        raise UsageError(str(error)) from error
