"""Pictures a person looks at: samples, reconstructions, latent spaces, curves.

Every function returns its picture, uint8 [rows, columns, 3], and writes it as a PNG file when given
a `path`. Whatever is random has a seed of its own: drawing never changes training, and pictures of
the same model taken epoch after epoch can be compared.

Images come as arrays or tensors [n, h, w, 1 or 3], floats in [0, 1] (clipped) or uint8; pixels that
are NaN or infinite are red. A model that lacks what a picture needs raises UsageError.
"""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras.ops import convert_to_numpy
from PIL import Image, ImageDraw, ImageFont, ImageOps

from zoo.checkpoint import write_atomically
from zoo.errors import UsageError

SIDE = 900  # pixels that a grid of small images may fill
WHITE, INK, RED = 255, (64, 64, 64), (230, 0, 0)
BLUE, ORANGE = "#4477aa", "#cc5500"
PLANE = {"xlabel": "z₁", "ylabel": "z₂", "aspect": "equal", "adjustable": "datalim"}
# Paul Tol's "muted" scheme, safe for colour-blind readers, and a grey.
PALETTE = ["#332288", "#cc6677", "#117733", "#88ccee", "#ddcc77"]
PALETTE += ["#882255", "#44aa99", "#aa4499", "#999933", "#777777"]


def of(model, batch):
    """Every picture that the model's verbs and the batch allow: name -> uint8 [rows, columns, 3].

    The batch may hold "image" [n, h, w, c] in [0, 1] and "label" [n]; the first 512 are used.
    """
    verbs = ("sample", "reconstruct", "interpolate", "encode", "decode", "prior")
    verbs = {name for name in verbs if callable(getattr(model, name, None))}
    images, labels = (batch[key][:512] if key in batch else () for key in ("image", "label"))
    latent_dim = getattr(model, "latent_dim", 0)
    pictures = {}
    if "sample" in verbs:
        pictures["samples"] = samples(model)
    if len(images) and "reconstruct" in verbs:
        pictures["reconstructions"] = reconstructions(model, images)
    if len(images) > 1 and "interpolate" in verbs:
        n = min(8, len(images) // 2)
        pictures["interpolation"] = interpolation(model, images[:n], images[n : 2 * n])
    if len(images) and len(labels) and "encode" in verbs and latent_dim >= 2:
        pictures["latent_scatter"] = latent_scatter(model, images, labels)
    if verbs >= {"decode", "prior"} and latent_dim == 2:
        pictures["latent_grid"] = latent_grid(model)
    if verbs >= {"decode", "prior"} and hasattr(model.prior(), "mixture_distribution"):
        pictures["prior_components"] = prior_components(model)
    return pictures


def save(path, image):
    """The pixels of an image [h, w, 1 or 3], written as PNG (all or nothing) if there is a path."""
    picture = pixels(image)
    if path is not None:
        png = Image.fromarray(picture)
        write_atomically(path, lambda file: png.save(file, format="PNG"))
    return picture


def grid(images, columns=None, padding=2, scale=None, captions=None, title="", path=None):
    """Images [n, h, w, c], row by row, at least one.

    Args:
        columns: images per row; None makes the picture near-square.
        padding: white pixels around each image.
        scale: whole number by which pixels are enlarged; None: as much as fits 900 pixels.
        captions: a text under each image; `title` is one above them all.
    """
    tiles = pixels(images)
    if tiles.ndim != 4 or not len(tiles):
        raise UsageError(f"expected images [n, h, w, c] with n >= 1, got shape {np.shape(images)}")
    n, h, w, _ = tiles.shape
    columns = columns or min(range(n, 0, -1), key=lambda k: max(-(-n // k) * h, k * w))
    columns, rows = min(n, columns), -(-n // columns)
    fits = ((SIDE - padding * (k + 1)) // (k * size) for k, size in ((rows, h), (columns, w)))
    scale = scale or max(1, min(fits))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    if captions is not None:
        tiles = np.concatenate([tiles, [written(t, tiles.shape[2]) for t in captions]], axis=1)
    h, w = tiles.shape[1] + padding, tiles.shape[2] + padding
    picture = np.full((rows * h + padding, columns * w + padding, 3), WHITE, np.uint8)
    for k, tile in enumerate(tiles):
        top, left = padding + k // columns * h, padding + k % columns * w
        picture[top : top + h - padding, left : left + w - padding] = tile
    if title:
        picture = np.vstack([written(title, picture.shape[1]), picture])
    return save(path, picture)


def samples(model, n=64, seed=0, path=None):
    """`n` images out of `model.sample`, from the same noise whenever the seed is the same."""
    return grid(verb(model, "sample")(n, seed=seed), path=path)


def reconstructions(model, images, n=16, path=None):
    """The first `n` images, each with `model.reconstruct` of it right below."""
    originals, again = pixels(images[:n]), pixels(verb(model, "reconstruct")(images[:n]))
    line = np.full_like(originals[:, :1], WHITE)
    pairs = np.concatenate([originals, line, again], axis=1)
    title = "originals above, reconstructions below"
    return grid(pairs, columns=8, padding=10, title=title, path=path)


def interpolation(model, a, b, steps=10, path=None):
    """A row for each pair: the image of `a`, `model.interpolate` between them, that of `b`."""
    a, b, between = map(pixels, (a, b, verb(model, "interpolate")(a, b, steps=steps)))
    gap = np.full_like(a[:, :, :4], WHITE)
    rows = np.concatenate([a, gap, *between.swapaxes(0, 1), gap, b], axis=2)
    title = "originals at the ends, decoded between their codes"
    return grid(rows, columns=1, title=title, path=path)


def latent_grid(model, n=20, path=None):
    """The plane of codes decoded at `n` x `n` points: z1 grows to the right, z2 upwards.

    As in figure 4 of Kingma & Welling (2013), an axis has the quantiles of the prior at 1/2n, 3/2n,
    ...; here those of 4,096 draws, so that any prior will do. `latent_dim` must be 2.
    """
    decode, prior = verb(model, "decode"), verb(model, "prior")()
    if (latent_dim := getattr(model, "latent_dim", None)) != 2:
        raise UsageError(f"latent_grid draws a plane and needs latent_dim=2, got {latent_dim}")
    draws = convert_to_numpy(prior.sample(4096, seed=tf.constant([0, 0], tf.int32)))
    z1, z2 = np.quantile(draws, (np.arange(n) + 0.5) / n, axis=0).T
    points = np.stack(np.meshgrid(z1, z2[::-1]), axis=-1).reshape(-1, 2)
    return grid(decode(points.astype(np.float32)), columns=n, padding=0, path=path)


def latent_scatter(model, images, labels=None, path=None):
    """`model.encode` of the images, first two dimensions, coloured by label.

    Up to ten different labels [n] get a legend; more, which must be numbers, a colour bar.
    """
    codes = convert_to_numpy(verb(model, "encode")(images))
    values = np.zeros(len(codes)) if labels is None else convert_to_numpy(labels)
    if codes.ndim != 2 or codes.shape[1] < 2 or values.shape != codes.shape[:1]:
        got = f"codes {codes.shape} and labels {values.shape}"
        raise UsageError(f"latent_scatter needs codes [n, 2 or more] and labels [n], got {got}")
    kinds, kind = np.unique(values, return_inverse=True)
    few = len(kinds) <= len(PALETTE)
    colors = [PALETTE[k] for k in kind] if few else values
    size = np.clip(16000 / len(codes), 8, 40)
    figure, axes = plot(900, 760)
    dots = axes.scatter(*codes[:, :2].T, s=size, c=colors, linewidths=0, alpha=0.85)
    if not few:
        figure.colorbar(dots, label="label")
    elif labels is not None:
        for color, name in zip(PALETTE, kinds, strict=False):
            axes.scatter([], [], s=60, c=color, label=name)
        figure.legend(title="label", loc="outside right center", frameon=False)
    axes.set(title=f"posterior means of {len(codes)} images", **PLANE)
    return save(path, rendered(figure))


def prior_components(model, n=36, path=None):
    """The means of the prior, a `tfd.MixtureSameFamily`, decoded; captions are "number: weight".

    The `n` heaviest come first to last; beside them, when codes are two-dimensional, the plane
    with each component's ellipses of one and two standard deviations, the bolder the heavier.
    """
    from matplotlib.patches import Ellipse

    decode, prior = verb(model, "decode"), verb(model, "prior")()
    if not hasattr(prior, "mixture_distribution"):
        raise UsageError(f"prior_components needs a mixture as prior, got {type(prior).__name__}")
    weights = convert_to_numpy(prior.mixture_distribution.probs_parameter())
    heaviest = np.argsort(-weights, kind="stable")[:n]
    parts = prior.components_distribution
    means, stddevs = (convert_to_numpy(m)[heaviest] for m in (parts.mean(), parts.stddev()))
    captions = [f"{k}: {weights[k]:.1%}" for k in heaviest]
    picture = grid(decode(means), padding=6, captions=captions)
    if means.shape[1] == 2:
        figure, axes = plot(len(picture), len(picture))
        for k, mean, stddev in zip(heaviest, means, stddevs, strict=True):
            bold = float(weights[k] / weights.max())
            fill, edge = (BLUE, bold / (10 + len(means))), (BLUE, 0.15 + 0.65 * bold)
            for diameter in (2 * stddev, 4 * stddev):
                axes.add_patch(Ellipse(mean, *diameter, facecolor=fill, edgecolor=edge))
            axes.annotate(k, mean, ha="center", va="center")
        axes.set(title="components, at 1 and 2 standard deviations", **PLANE)
        axes.autoscale_view()
        picture = np.hstack([picture, rendered(figure)])
    return save(path, picture)


def loss_curves(history, epochs=None, unit=None, path=None):
    """What training logged: a panel for each quantity, `loss` first; `val_x` joins `x`.

    Args:
        history: name -> one value an epoch, as `fit(...).history` or `history.json` has it; a
            shorter list belongs to the last epochs. NaN leaves a gap. Empty is a UsageError.
        epochs: the epochs' numbers from 0, as `fit(...).epoch` counts them; drawn from 1.
        unit: of the values, such as "nats".
    """
    curves = {k: np.array(v, float) for k, v in history.items() if k != "epoch" and len(v)}
    if not curves:
        raise UsageError("loss_curves has nothing to draw: the history holds no values")
    if epochs is None:
        epochs = history.get("epoch", range(max(map(len, curves.values()))))
    epochs = np.array(epochs) + 1
    names = sorted({k.removeprefix("val_"): 0 for k in curves}, key=lambda name: name != "loss")
    figure, *panels = plot(480, 380, len(names))
    for axes, name in zip(panels, names, strict=True):
        for key, color, style in ((name, BLUE, "o-"), (f"val_{name}", ORANGE, "s--")):
            if key in curves:
                y = curves[key][-len(epochs) :]
                label = f"{'train' if key == name else 'validation'}  {y[-1]:.4g}"
                size = 5 * (len(y) <= 40)  # of the markers: longer curves need none
                axes.plot(epochs[-len(y) :], y, style, color=color, ms=size, label=label)
        axes.set(title=name, xlabel="epoch", ylabel=unit or "", xlim=epochs[[0, -1]] + [-0.5, 0.5])
        axes.locator_params(axis="x", nbins=6, integer=True, min_n_ticks=1)
        axes.legend(frameon=False)
    return save(path, rendered(figure))


def series(pictures, n=5, path=None):
    """How a picture changed: at most `n` epochs side by side, evenly on a logarithmic scale.

    `pictures` is a folder of `epoch-0001.png`, ..., as training writes them, or a list of such
    files, or of images for the epochs 1, 2, ...; that there be none is a UsageError.
    """
    if isinstance(pictures, str | Path):
        pictures = sorted(Path(pictures).glob("epoch-*.png"))
    if not len(pictures):
        raise UsageError("expected a folder with epoch-0001.png, ... or a list; there is nothing")
    n = min(n, len(pictures))
    chosen = np.maximum(np.arange(n) + 1, np.geomspace(1, len(pictures), n).round()).astype(int)
    tiles, captions = [], []
    for k in np.unique(chosen):
        picture = pictures[k - 1]
        if isinstance(picture, str | Path):
            k = int((re.findall(r"\d+", Path(picture).stem) or [k])[-1])
            with Image.open(picture) as file:
                picture = np.asarray(file.convert("RGB"))
        image = Image.fromarray(pixels(picture))
        tiles.append(np.asarray(ImageOps.pad(image, (360, 360), color="white")))
        captions.append(f"epoch {k}")
    return grid(tiles, len(tiles), padding=10, scale=1, captions=captions, path=path)


def verb(model, name):
    """The model's method of that name; raises UsageError if it has none."""
    if callable(found := getattr(model, name, None)):
        return found
    raise UsageError(f"{getattr(model, 'name', type(model).__name__)} has no {name}")


def pixels(images):
    """Images [..., h, w, 1 or 3], floats in [0, 1] or uint8, as uint8 [..., h, w, 3]."""
    values = convert_to_numpy(images)
    known = values.dtype.kind not in "iu" or values.dtype == np.uint8
    if values.ndim < 3 or values.shape[-1] not in (1, 3) or not known:
        got = f"{values.dtype} {values.shape}"
        raise UsageError(f"expected images [h, w, 1 or 3], floats in [0, 1] or uint8, got {got}")
    colors = np.broadcast_to(values, (*values.shape[:-1], 3))
    if values.dtype == np.uint8:
        return colors
    finite = np.isfinite(colors).all(axis=-1, keepdims=True)
    levels = 255 * np.where(finite, colors, 0).astype(np.float32).clip(0, 1)
    return np.where(finite, levels.round(), RED).astype(np.uint8)


def written(text, width):
    """A white strip [26, width, 3] with a text in its middle, smaller where it would not fit."""
    import matplotlib

    size = max(1, min(15, int(1.6 * width / max(1, len(text)))))
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    strip = Image.new("RGB", (width, 26), "white")
    ImageDraw.Draw(strip).text((width / 2, 13), text, INK, font, anchor="mm")
    return np.asarray(strip)


def plot(width, height, panels=1):
    """A figure followed by its axes, of so many pixels each: three in a row, or four as 2 x 2."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 2 if panels == 4 else min(3, panels)
    rows = -(-panels // columns)
    figure = Figure((columns * width / 120, rows * height / 120), dpi=120, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    for k in range(panels):
        axes = figure.add_subplot(rows, columns, k + 1, axisbelow=True)
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    return figure, *figure.axes


def rendered(figure):
    """A figure of `plot` as uint8 [rows, columns, 3]."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]
