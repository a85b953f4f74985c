"""`zoo caption`: captions images with a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import output
from zoo.cli.completion import complete_trained
from zoo.cli.options import Number, UserPath, generation_options, reject_options
from zoo.cli.runs import open_model, require_method
from zoo.cli.terminal import json_option
from zoo.data.caption_config import CaptionConfig
from zoo.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from zoo.model import Model


def _show(record: dict[str, Any]) -> None:
    for row in record["captions"]:
        click.echo(row["caption"])


@click.command()
@click.argument("model", metavar="MODEL", shell_complete=complete_trained)
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=UserPath(path_type=Path),
)
@click.option(
    "--network",
    metavar="NAME",
    help="For a model trained on features: the network of keras.applications that extracts them,"
    " such as MobileNetV2.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Weights of the network: a name, or a file.",
)
@click.option(
    "--image-size",
    type=Number("image_size"),
    default=224,
    show_default=True,
    help="Image size for the network, in pixels.",
)
@generation_options
@json_option(_show)
def caption(
    model: str,
    images: tuple[Path, ...],
    network: str | None,
    weights: str,
    image_size: int,
    max_length: int | None,
    search: dict[str, int],
    attention_file: Path | None,
    best: bool,
) -> dict[str, Any]:
    """Caption images with a trained model.

    MODEL is the folder of a run, a preset, a .keras file, or the name of a model (its newest run).
    Prints one line for each IMAGE, a file (PNG, JPEG, WebP, ...). The center square is cropped,
    resized to the size of the training images, and converted to their channels.

    \b
    zoo caption captioning.shapes scene.png --attention attention.png
    zoo caption runs/captioning-photos dog.jpg cat.jpg --num-beams 3 --json
    zoo caption captioning.flickr8k dog.jpg --network MobileNetV2 --num-beams 3
    """
    if network is None:
        reject_options(
            ["weights", "image_size"], "needs --network, for a model trained on features"
        )
    network_args: dict[str, Any] | None = None
    if network:
        network_args = {"network": network, "weights": weights, "size": image_size}
    check = require_method("caption_with_attention", "caption images")
    with open_model(model, best, check) as (trained, origin, config):
        pixels, inputs = load_images(trained, images, network_args)
        if max_length is None:
            text_config = config and config.text_config
            max_length = getattr(text_config, "max_length", CaptionConfig.max_length)
        options = {"num_maps": output.MAX_MAPS if attention_file else 0, "max_length": max_length}
        captions, maps = trained.caption_with_attention(inputs, **options, **search)
    failure = _write_attention(pixels, maps, attention_file) if attention_file else {}
    pairs = zip(map(str, images), captions, strict=True)
    return {
        "run": origin,
        **search,
        "captions": [{"image": image, "caption": text} for image, text in pairs],
        **failure,
    }


def _write_attention(images: Any, maps: list, path: Path) -> dict[str, Any]:
    """Writes the figure of attention weights over the first images, as `try_figure` does."""
    from zoo import figures

    return output.try_figure(figures.caption_maps, images[: len(maps)], maps, path=path)


def load_images(
    model: "Model", files: tuple[Path, ...], network_args: dict[str, Any] | None
) -> "tuple[np.ndarray, np.ndarray]":
    """(images uint8 [n, h, w, c], the model's inputs: these images or their features).

    Args:
        model: its `image_shape` sets the size and the number of channels.
        files: image files.
        network_args: arguments of `image_features.PretrainedNetwork`; None: the model takes images.

    Raises UsageError: a file is not an image, the model takes images but a network was given, or
    the model takes features and no network was given.
    """
    from zoo.data.image_files import read_images

    rows, columns, channels = model.image_shape
    takes_features = model.input_feature == "features"
    if takes_features and not network_args:
        raise UsageError(
            f"{model.name} expects features {model.image_shape} of another network, not images:"
            " name that network, as in --network MobileNetV2"
        )
    if network_args and not takes_features:
        raise UsageError(f"{model.name} expects images, not features: leave --network out")
    if network_args is None:
        pixels = read_images(files, "the list", channels, rows if rows == columns else None)
        return pixels, pixels
    from zoo.data import image_features

    pixels = read_images(files, "the list", None, network_args["size"])
    return pixels, image_features.PretrainedNetwork(**network_args)(pixels)
