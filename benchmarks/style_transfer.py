"""Style transfer of content x style pairs by L-BFGS and by Adam: losses, times and pictures.

    python -m benchmarks.style_transfer --features vgg19.h5 --contents A B C --styles X Y Z --size
    256

Paints A like X, B like Y and C like Z, each once by L-BFGS and once by Adam, from the content. What
is finished is kept in --workdir, by its settings: the same command goes on where it was stopped.
At the end it writes

    benchmarks/results/style.json       losses, evaluations, seconds, and the whole way down
    docs/figures/style.jpg             content, style and both paintings of each pair
    docs/figures/style_losses.png      the loss over iterations and over evaluations

Both minimize the same loss over pixels without bounds; `loss` is its value there, `loss_clipped`
that of the picture one sees, whose pixels are in [0, 1]. An evaluation is the loss with its
gradient, and takes almost all of the time.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

import zoo
from zoo import figures
from zoo.cli.stylize import stylize_with_progress
from zoo.data.builders import style_images
from zoo.files import write_atomically, write_json
from zoo.recipes import environment, records

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "figures"
NAMES = {"lbfgs": "L-BFGS", "adam": "Adam"}
PROTOCOL = (
    "The loss of `style_transfer` at {size} pixels, from the content: {lbfgs} iterations of L-BFGS"
    " against {adam} steps of Adam, on the same pixels without bounds."
)


def painted(model, content, style, optimizer, settings, folder):
    """One painting, made or taken from its folder: ({"seconds": ..., "history": ...}, picture)."""
    size, steps = settings["size"], settings["steps"][optimizer]
    key = json.dumps([{**settings, "steps": steps}, content.name, style.name], sort_keys=True)
    name = f"{content.stem}-{style.stem}-{optimizer}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    file, image = folder / f"{name}.json", folder / f"{name}.npy"
    if file.exists():
        log(f"{name}: is there")
        return json.loads(file.read_text()), np.load(image)
    log(f"{name}: {steps} steps")
    p, a = style_images.read_scaled(content, size), style_images.read_scaled(style, size)
    began = time.perf_counter()
    picture, history = stylize_with_progress(model, p, a, steps=steps, optimizer=optimizer)
    found = {"seconds": time.perf_counter() - began, "history": history}
    found |= {"loss_clipped": loss_of(model, picture, p, a)}
    write_atomically(image, lambda out: np.save(out, np.asarray(picture)))
    write_json(file, found)
    log(f"{name}: loss {history[-1]['loss']:.5g}, {found['seconds']:.0f} s")
    return found, np.asarray(picture)


def loss_of(model, picture, content, style):
    """The loss of a picture as it is."""
    p, a = (np.float32(one)[None] / 255 for one in (content, style))
    return float(model.losses(picture[None], model.targets(p, a))["loss"][0])


def summary(found):
    """What the record says of one painting."""
    *_, end = history = found["history"]
    return {**end, **{k: found[k] for k in ("loss_clipped", "seconds")}, "history": history}


def draw(pairs, size):
    """Writes both figures of [(content, style, {optimizer: (found, picture)})]."""
    rows, curves = [], []
    for content, style, found in pairs:
        paintings = {NAMES[name]: picture for name, (_, picture) in found.items()}
        title, captions = f"{content.stem} x {style.stem}", ["content", "style", *paintings]
        shown = [style_images.read_scaled(file, size) for file in (content, style)]
        rows.append(
            Image.fromarray(figures.stylized(*shown, *paintings.values(), captions=captions))
        )
        histories = {NAMES[name]: one["history"] for name, (one, _) in found.items()}
        over = [figures.loss_trajectories(histories, by, title) for by in ("step", "evaluations")]
        curves.append(np.hstack(over))
    width = max(row.width for row in rows)
    rows = [np.asarray(row.resize((width, round(row.height * width / row.width)))) for row in rows]
    picture = Image.fromarray(np.vstack(rows))
    write_atomically(PICTURES / "style.jpg", lambda out: picture.save(out, "JPEG", quality=85))
    figures.save(PICTURES / "style_losses.png", np.vstack(curves))


def log(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.style_transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--features", required=True, help="as style_transfer takes it")
    parser.add_argument("--contents", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--styles", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--size", type=int, default=256, help="longest side in pixels")
    parser.add_argument("--lbfgs", type=int, default=300, help="iterations")
    parser.add_argument("--adam", type=int, default=1000, help="steps")
    parser.add_argument("--workdir", type=Path, default=Path("runs/style"))
    options = parser.parse_args(arguments)
    if len(options.contents) != len(options.styles):
        parser.error(f"{len(options.contents)} contents and {len(options.styles)} styles: no pairs")

    model = zoo.get("style_transfer", feature_network=options.features)
    config = {key: value for key, value in model.get_config().items() if key.endswith("weight")}
    config |= {key: list(getattr(model, key)) for key in ("content_layers", "style_layers")}
    steps = {name: getattr(options, name) for name in NAMES}
    network = Path(options.features)
    sha256 = hashlib.sha256(network.read_bytes()).hexdigest() if network.exists() else None
    settings = {"size": options.size, "steps": steps, "config": config, "features": network.name}
    settings |= {"features_sha256": sha256}
    pairs = []
    for content, style in zip(options.contents, options.styles, strict=True):
        found = {
            name: painted(model, content, style, name, settings, options.workdir) for name in NAMES
        }
        pairs.append((content, style, found))
    draw(pairs, options.size)
    results = {
        f"{content.stem} x {style.stem}": {k: summary(one) for k, (one, _) in found.items()}
        for content, style, found in pairs
    }
    record = {
        "kind": "style",
        "protocol": PROTOCOL.format(size=options.size, **steps),
        "settings": settings,
        **environment.environment(),
        "results": results,
    }
    records.write(ROOT / records.RESULTS / "style.json", record)
    for pair, ends in results.items():
        log(f"{pair}: " + ", ".join(f"{k} {one['loss']:.5g}" for k, one in ends.items()))


if __name__ == "__main__":
    main()
