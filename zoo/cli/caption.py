"""`zoo caption`: what is in pictures, said by a run."""

from pathlib import Path

import click

from zoo.cli.load import ready
from zoo.cli.options import Number, refuse
from zoo.cli.terminal import UserPath, answers
from zoo.cli.translate import MAPS, drawn, searching, speaking
from zoo.data.caption_config import Captions
from zoo.errors import UsageError


def show(record):
    for one in record["captions"]:
        click.echo(one["caption"])


@click.command()
@click.argument("run")
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=UserPath(path_type=Path),
)
@click.option(
    "--network",
    help="For a model of features: what saw its images, as in MobileNetV2; see keras.applications.",
)
@click.option(
    "--weights", default="imagenet", show_default=True, help="Of the network; or a file of them."
)
@click.option(
    "--image-size",
    type=Number("image_size"),
    default=224,
    show_default=True,
    help="For the network.",
)
@searching
@answers(show)
def caption(run, images, network, weights, image_size, max_length, search, picture, best):
    """Put pictures into words by a run.

    RUN is a folder made by `zoo train` or `zoo reproduce`, a model's name, which means its newest
    run, a preset, or a .keras file. Answers with one line for each IMAGE, a file (PNG, JPEG, WebP,
    ...) of which the center square is cut out, scaled to what the model was trained on, and
    brought to its channels.

    \b
    zoo caption captioning.shapes scene.png --attention looked.png
    zoo caption runs/captioning-photos dog.jpg cat.jpg --num-beams 3 --json
    zoo caption captioning.flickr8k dog.jpg --network MobileNetV2 --num-beams 3
    """
    if network is None:
        refuse(["weights", "image_size"], "needs --network, for a model of features")
    seer = network and {"network": network, "weights": weights, "size": image_size}
    with ready(run, best, speaking("captions")) as (model, where, settings):
        pixels, seen = looked_at(model, images, seer)
        max_length = (settings or Captions).max_length if max_length is None else max_length
        how = {"num_maps": MAPS if picture else 0, "max_length": max_length}
        said, maps = model.caption_with_attention(seen, **how, **search)
    failure = draw(pixels, maps, picture) if picture else {}
    pairs = zip(map(str, images), said, strict=True)
    return {
        "run": where and str(where),
        **search,
        "captions": [{"image": image, "caption": text} for image, text in pairs],
        **failure,
    }


def draw(images, maps, path):
    """The figure of attention maps over the first images, as `drawn` makes it."""
    from zoo import figures

    return drawn(figures.caption_maps, images[: len(maps)], maps, path=path)


def looked_at(model, files, seer):
    """(images uint8 [n, h, w, c], what the model is shown of them) of image files.

    Args:
        seer: what `vision.Network` is made of; None: the model sees for itself.

    Raises UsageError: no image, or a model of features without its network, or the other way round.
    """
    from zoo.data.image_files import read_images

    rows, columns, channels = model.image_shape
    if (model.call_feature == "features") != bool(seer):
        what = f"features {model.image_shape} of another network" if not seer else "images"
        raise UsageError(
            f"{model.name} sees {what}: "
            + ("leave --network out" if seer else "name it, as in --network MobileNetV2")
        )
    size = seer["size"] if seer else rows if rows == columns else None
    pixels = read_images(files, "the list", None if seer else channels, size)
    if not seer:
        return pixels, pixels
    from zoo.data import image_features

    return pixels, image_features.Network(**seer)(pixels)
