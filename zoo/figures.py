"""Pictures a person looks at: samples, reconstructions, latent spaces, curves.

Every function returns its picture, uint8 [rows, columns, 3], and writes it as a PNG file when given
a `path`. Whatever is random has a seed of its own: drawing never changes training, and pictures of
the same model taken epoch after epoch can be compared.

Images come as arrays or tensors [n, h, w, 1 or 3], floats in [0, 1] (clipped) or uint8; pixels that
are NaN or infinite are red. A model that lacks what a picture needs raises UsageError.
"""

import math
import re
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras.ops import convert_to_numpy

from zoo.checkpoint import write_atomically
from zoo.errors import UsageError

SIDE = 900  # pixels that a grid of small images may fill
WHITE, INK, RED = 255, (64, 64, 64), (230, 0, 0)
BLUE, ORANGE = "#4477aa", "#cc5500"
# Paul Tol's "muted" scheme, safe for colour-blind readers, and a grey.
PALETTE = "#332288 #cc6677 #117733 #88ccee #ddcc77 #882255 #44aa99 #aa4499 #999933 #777777".split()


def of(model, batch):
    """Every picture that the model's verbs and the batch allow: name -> uint8 [rows, columns, 3].

    Args:
        model: anything with some of `sample reconstruct interpolate encode decode prior`.
        batch: may hold "image" [n, h, w, c] in [0, 1] and "label" [n]; the first 512 are used.
    """

    def can(*verbs):
        return all(callable(getattr(model, name, None)) for name in verbs)

    images, labels = (batch[key][:512] if key in batch else () for key in ("image", "label"))
    latent_dim = getattr(model, "latent_dim", 0)
    pictures = {}
    if can("sample"):
        pictures["samples"] = samples(model)
    if len(images) and can("reconstruct"):
        pictures["reconstructions"] = reconstructions(model, images)
    if len(images) > 1 and can("interpolate"):
        n = min(8, len(images) // 2)
        pictures["interpolation"] = interpolation(model, images[:n], images[n : 2 * n])
    if len(images) and len(labels) and can("encode") and latent_dim >= 2:
        pictures["latent_scatter"] = latent_scatter(model, images, labels)
    if can("decode", "prior") and latent_dim == 2:
        pictures["latent_grid"] = latent_grid(model)
    if can("decode", "prior") and hasattr(model.prior(), "mixture_distribution"):
        pictures["prior_components"] = prior_components(model)
    return pictures


def save(path, image):
    """The pixels of an image [h, w, 1 or 3], written as PNG, all or nothing, unless path is None.

    Makes parent folders.
    """
    from PIL import Image

    picture = pixels(image)
    if path is not None:
        png = Image.fromarray(picture)
        write_atomically(path, lambda file: png.save(file, format="PNG"))
    return picture


def grid(images, columns=None, padding=2, scale=None, captions=None, path=None):
    """Images [n, h, w, c], row by row.

    Args:
        columns: images per row; None makes the picture near-square.
        padding: white pixels around each image.
        scale: whole number by which pixels are enlarged; None: as much as fits 900 pixels.
        captions: a text under each image.

    Raises:
        UsageError: not images, or none.
    """
    tiles = pixels(images)
    if tiles.ndim != 4 or not len(tiles):
        raise UsageError(f"expected images [n, h, w, c] with n >= 1, got shape {tiles.shape}")
    n, h, w, _ = tiles.shape
    columns = min(n, columns or math.ceil(math.sqrt(n * h / w)))
    rows = -(-n // columns)
    if scale is None:
        fits = ((SIDE - padding * (k + 1)) // (k * size) for k, size in ((rows, h), (columns, w)))
        scale = max(1, min(fits))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    if captions is not None:
        strips = [written(text, tiles.shape[2]) for text in captions]
        tiles = np.concatenate([tiles, strips], axis=1)
    h, w = tiles.shape[1] + padding, tiles.shape[2] + padding
    picture = np.full((rows * h + padding, columns * w + padding, 3), WHITE, np.uint8)
    for k, tile in enumerate(tiles):
        top, left = padding + k // columns * h, padding + k % columns * w
        picture[top : top + h - padding, left : left + w - padding] = tile
    return save(path, picture)


def samples(model, n=64, seed=0, path=None):
    """`n` images out of `model.sample`, from the same noise whenever the seed is the same."""
    return grid(verb(model, "sample")(n, seed=seed), path=path)


def reconstructions(model, images, n=16, path=None):
    """The first `n` images, each with `model.reconstruct` of it right below."""
    originals, again = pixels(images[:n]), pixels(verb(model, "reconstruct")(images[:n]))
    line = np.full_like(originals[:, :1], WHITE)
    picture = grid(np.concatenate([originals, line, again], axis=1), columns=8, padding=10)
    title = written("originals above, reconstructions below", picture.shape[1])
    return save(path, np.vstack([title, picture]))


def interpolation(model, a, b, steps=10, path=None):
    """A row for each pair: the image of `a`, `model.interpolate` between them, that of `b`."""
    between = pixels(verb(model, "interpolate")(a, b, steps=steps))
    n, steps, h, w, _ = between.shape
    scale = max(1, SIDE // max((steps + 2) * w, n * h))
    parts = []
    for title, images in (("from", a), ("decoded between their codes", between), ("to", b)):
        images = pixels(images).reshape(-1, h, w, 3)
        part = grid(images, columns=len(images) // n, padding=1, scale=scale)
        part = np.vstack([written(title, part.shape[1]), part])
        parts.append(np.pad(part, ((6, 6), (6, 6), (0, 0)), constant_values=WHITE))
    return save(path, np.hstack(parts))


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

    `labels` are numbers [n]: up to ten different ones get a legend, more get a colour bar.
    """
    from matplotlib.colors import ListedColormap

    codes = convert_to_numpy(verb(model, "encode")(images))
    if codes.ndim != 2 or codes.shape[1] < 2:
        raise UsageError(f"latent_scatter needs codes [n, 2 or more], got shape {codes.shape}")
    colors = np.zeros(len(codes)) if labels is None else convert_to_numpy(labels)
    if colors.shape != codes.shape[:1]:
        raise UsageError(f"expected {len(codes)} labels, one per image, got shape {colors.shape}")
    kinds, kind = np.unique(colors, return_inverse=True)
    look = {"s": np.clip(16000 / len(codes), 8, 40), "linewidths": 0, "alpha": 0.85}
    figure, axes = plot(900, 760)
    if len(kinds) > len(PALETTE):
        dots = axes.scatter(*codes[:, :2].T, c=colors, **look)
        figure.colorbar(dots, label="label").outline.set_visible(False)
    else:
        look |= {"cmap": ListedColormap(PALETTE), "vmin": 0, "vmax": len(PALETTE) - 1}
        dots = axes.scatter(*codes[:, :2].T, c=kind, **look)
    if labels is not None and len(kinds) <= len(PALETTE):
        handles, _ = dots.legend_elements(num=None, markersize=9)
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
        axes.legend(handles, [f"{k:g}" for k in kinds], title="label", **place)
    axes.set(xlabel="z₁", ylabel="z₂", title=f"posterior means of {len(codes)} images")
    axes.set_aspect("equal", adjustable="datalim")
    return save(path, rendered(figure))


def prior_components(model, n=36, path=None):
    """The means of the prior, a `tfd.MixtureSameFamily`, decoded; captions are "number: weight".

    The `n` heaviest come first to last; beside them, when codes are two-dimensional, the plane
    with each component's ellipses of one and two standard deviations, the bolder the heavier.
    """
    from matplotlib.patches import Ellipse
    from matplotlib.patheffects import withStroke

    decode, prior = verb(model, "decode"), verb(model, "prior")()
    if not hasattr(prior, "mixture_distribution"):
        kind = type(prior).__name__
        raise UsageError(f"prior_components needs a prior that is a mixture, got a {kind}")
    weights = convert_to_numpy(prior.mixture_distribution.probs_parameter())
    heaviest = np.argsort(-weights, kind="stable")[:n]
    means, stddevs = (
        convert_to_numpy(moment())[heaviest]
        for moment in (prior.components_distribution.mean, prior.components_distribution.stddev)
    )
    captions = [f"{k}: {weights[k]:.1%}" for k in heaviest]
    picture = grid(decode(means), padding=6, captions=captions)
    if means.shape[1] == 2:
        figure, axes = plot(len(picture), len(picture))
        for k, mean, stddev in zip(heaviest, means, stddevs, strict=True):
            bold = float(weights[k] / weights.max())
            for radius, fill in ((2, 0.04), (1, 0.12)):
                look = {"facecolor": (BLUE, fill * bold), "edgecolor": (BLUE, 0.2 + 0.6 * bold)}
                axes.add_patch(Ellipse(mean, *(2 * radius * stddev), linewidth=1, **look))
            halo = [withStroke(linewidth=2.5, foreground="white")]
            axes.annotate(str(k), mean, ha="center", va="center", path_effects=halo)
        axes.set(xlabel="z₁", ylabel="z₂", title="components, at 1 and 2 standard deviations")
        axes.set_aspect("equal", adjustable="datalim")
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
    from matplotlib.ticker import MaxNLocator

    curves = {k: np.array(v, float) for k, v in history.items() if k != "epoch" and len(v)}
    if not curves:
        raise UsageError("loss_curves has nothing to draw: the history holds no values")
    if epochs is None:
        epochs = history.get("epoch", range(max(map(len, curves.values()))))
    epochs = np.array(epochs) + 1
    names = sorted({k.removeprefix("val_"): 0 for k in curves}, key=lambda name: name != "loss")
    columns = len(names) if len(names) <= 3 else math.ceil(math.sqrt(len(names)))
    rows = -(-len(names) // columns)
    figure, *panels = plot(max(560, 460 * columns), 380 * rows, rows, columns)
    for axes, name in zip(panels, names, strict=False):
        both = (("train", name, BLUE, "o-"), ("validation", f"val_{name}", ORANGE, "s--"))
        for title, key, color, style in both:
            if key in curves:
                y = curves[key][-len(epochs) :]
                look = {"color": color, "markersize": 5 * (len(y) <= 40)}
                axes.plot(epochs[-len(y) :], y, style, label=f"{title}  {y[-1]:.4g}", **look)
        axes.set(title=name, xlabel="epoch", ylabel=unit or "")
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.legend(frameon=False)
    for axes in panels[len(names) :]:
        axes.remove()
    return save(path, rendered(figure))


def series(pictures, n=5, path=None):
    """How a picture changed: at most `n` epochs side by side, evenly on a logarithmic scale.

    `pictures` is a folder of `epoch-0001.png`, ..., as training writes them, or a list of such
    files, or of images for the epochs 1, 2, ...; that there be none is a UsageError.
    """
    from PIL import Image, ImageOps

    if isinstance(pictures, str | Path):
        pictures = sorted(Path(pictures).glob("epoch-*.png"))
    if not len(pictures):
        raise UsageError("expected a folder with epoch-0001.png, ... or a list; there is nothing")
    tiles, captions = [], []
    for k in np.unique(np.geomspace(1, len(pictures), min(n, len(pictures))).round().astype(int)):
        picture = pictures[k - 1]
        if isinstance(picture, str | Path):
            k = int((re.findall(r"\d+", Path(picture).stem) or [k])[-1])
            with Image.open(picture) as file:
                picture = np.asarray(file.convert("RGB"))
        image = Image.fromarray(pixels(picture))
        size = tiles[0].shape[1::-1] if tiles else ImageOps.contain(image, (360, 360)).size
        tiles.append(np.asarray(ImageOps.pad(image, size, color="white")))
        captions.append(f"epoch {k}")
    return grid(tiles, len(tiles), padding=10, scale=1, captions=captions, path=path)


def verb(model, name):
    """The model's method of that name; raises UsageError if it has none."""
    found = getattr(model, name, None)
    if not callable(found):
        raise UsageError(f"{getattr(model, 'name', type(model).__name__)} has no {name}")
    return found


def pixels(images):
    """Images [..., h, w, 1 or 3], floats in [0, 1] or uint8, as uint8 [..., h, w, 3]."""
    values = convert_to_numpy(images)
    if values.ndim < 3 or values.shape[-1] not in (1, 3) or values.dtype.kind == "i":
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
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 15)
    if (length := font.getlength(text)) > width:
        font = font.font_variant(size=max(6, int(15 * width / length)))
    strip = Image.new("RGB", (width, 26), "white")
    ImageDraw.Draw(strip).text((width / 2, 13), text, INK, font, anchor="mm")
    return np.asarray(strip)


def plot(width, height, rows=1, columns=1):
    """A figure of so many pixels, followed by its axes, row by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width / 120, height / 120), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, *panels


def rendered(figure):
    """A figure of `plot` as uint8 [rows, columns, 3]."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]
