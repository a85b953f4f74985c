"""Style transfer of content x style pairs by L-BFGS and by Adam: losses, times and images.

    python -m benchmarks.style_transfer --network vgg19.h5 --contents A B C --styles X Y Z

Renders A in the style of X, B in that of Y and C in that of Z, each once by L-BFGS and once by
Adam, starting from the content. Finished results are kept in --workdir, by their settings: the same
command resumes where it stopped. At the end it writes

    benchmarks/results/style_transfer.json    losses, evaluations, seconds, and loss histories
    docs/figures/style.jpg                    content, style and both results of each pair
    docs/figures/style_losses.png             the loss over iterations and over evaluations

Both minimize the same loss over unbounded pixels; `loss` is its value there, `loss_clipped` that of
the saved image, whose pixels are in [0, 1]. An evaluation computes the loss and its gradient, and
takes almost all of the time.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

import zoo
from zoo import figures
from zoo.cli.stylize import stylize_with_progress
from zoo.data.builders import style_images
from zoo.files import write_atomically, write_json
from zoo.recipes import environment, records

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
NAMES = {"lbfgs": "L-BFGS", "adam": "Adam"}
PROTOCOL = (
    "The loss of `style_transfer` at {size} pixels, from the content: {lbfgs} iterations of L-BFGS"
    " and {adam} steps of Adam, on the same pixels without bounds."
)


def load_or_stylize(
    model: zoo.Model,
    content: Path,
    style: Path,
    optimizer: str,
    settings: dict[str, Any],
    folder: Path,
) -> tuple[dict[str, Any], np.ndarray]:
    """({"seconds": ..., "history": ...}, image) of one pair, computed or read from its folder."""
    size, steps = settings["size"], settings["steps"][optimizer]
    key = json.dumps([{**settings, "steps": steps}, content.name, style.name], sort_keys=True)
    name = f"{content.stem}-{style.stem}-{optimizer}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    file, image_file = folder / f"{name}.json", folder / f"{name}.npy"
    if file.exists():
        log(f"{name}: is finished")
        return json.loads(file.read_text()), np.load(image_file)
    log(f"{name}: {steps} steps")
    p, a = style_images.read_scaled(content, size), style_images.read_scaled(style, size)
    began = time.perf_counter()
    image, history = stylize_with_progress(model, p, a, steps=steps, optimizer=optimizer)
    result = {"seconds": time.perf_counter() - began, "history": history}
    result |= {"loss_clipped": loss_of(model, image, p, a)}
    write_atomically(image_file, lambda out: np.save(out, np.asarray(image)))
    write_json(file, result)
    log(f"{name}: loss {history[-1]['loss']:.5g}, {result['seconds']:.0f} s")
    return result, np.asarray(image)


def loss_of(model: zoo.Model, image: tf.Tensor, content: np.ndarray, style: np.ndarray) -> float:
    """The loss of an image [h, w, 3] in [0, 1]."""
    p, a = (np.float32(x)[None] / 255 for x in (content, style))
    return float(model.losses(image[None], model.targets(p, a))["loss"][0])


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The entry of one result in the record."""
    *_, end = history = result["history"]
    return {**end, **{k: result[k] for k in ("loss_clipped", "seconds")}, "history": history}


def write_figures(pairs: list[tuple[Path, Path, dict[str, Any]]], size: int) -> None:
    """Writes both figures.

    Args:
        pairs: (content, style, {optimizer: (result, image)}).
        size: longest side of the images in pixels.
    """
    rows, curves = [], []
    for content, style, results in pairs:
        images = {NAMES[name]: image for name, (_, image) in results.items()}
        title, captions = f"{content.stem} x {style.stem}", ["content", "style", *images]
        sources = [style_images.read_scaled(file, size) for file in (content, style)]
        row = figures.stylized(*sources, *images.values(), captions=captions)
        rows.append(Image.fromarray(row))
        histories = {NAMES[name]: result["history"] for name, (result, _) in results.items()}
        panels = [figures.loss_trajectories(histories, by, title) for by in ("step", "evaluations")]
        curves.append(np.hstack(panels))
    width = max(row.width for row in rows)
    rows = [np.asarray(row.resize((width, round(row.height * width / row.width)))) for row in rows]
    figure = Image.fromarray(np.vstack(rows))
    write_atomically(FIGURES / "style.jpg", lambda out: figure.save(out, "JPEG", quality=85))
    figures.save(FIGURES / "style_losses.png", np.vstack(curves))


def log(text: str) -> None:
    """Prints a line with the time."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.style_transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", required=True, help="feature_network of style_transfer")
    parser.add_argument("--contents", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--styles", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--size", type=int, default=256, help="longest side in pixels")
    parser.add_argument("--lbfgs", type=int, default=300, help="iterations")
    parser.add_argument("--adam", type=int, default=1000, help="steps")
    parser.add_argument("--workdir", type=Path, default=Path("runs/style"))
    options = parser.parse_args(arguments)
    if len(options.contents) != len(options.styles):
        parser.error(f"{len(options.contents)} contents and {len(options.styles)} styles: no pairs")

    model = zoo.get("style_transfer", feature_network=options.network)
    config = {key: value for key, value in model.get_config().items() if key.endswith("weight")}
    config |= {key: list(getattr(model, key)) for key in ("content_layers", "style_layers")}
    steps = {name: getattr(options, name) for name in NAMES}
    network = Path(options.network)
    sha256 = hashlib.sha256(network.read_bytes()).hexdigest() if network.exists() else None
    settings = {"size": options.size, "steps": steps, "config": config, "network": network.name}
    settings |= {"network_sha256": sha256}
    pairs = []
    for content, style in zip(options.contents, options.styles, strict=True):
        results = {
            name: load_or_stylize(model, content, style, name, settings, options.workdir)
            for name in NAMES
        }
        pairs.append((content, style, results))
    write_figures(pairs, options.size)
    summaries = {
        f"{content.stem} x {style.stem}": {k: summary(result) for k, (result, _) in results.items()}
        for content, style, results in pairs
    }
    record = {
        "kind": "style_transfer",
        "protocol": PROTOCOL.format(size=options.size, **steps),
        "settings": settings,
        **environment.environment(),
        "results": summaries,
    }
    records.write(ROOT / records.RESULTS / "style_transfer.json", record)
    for pair, ends in summaries.items():
        log(f"{pair}: " + ", ".join(f"{k} {end['loss']:.5g}" for k, end in ends.items()))


if __name__ == "__main__":
    main()
