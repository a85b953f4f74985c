"""Pictures a person looks at: samples, reconstructions, latent spaces, attention, curves.

Every function returns its picture, uint8 [rows, columns, 3], and writes it when given a `path`: in
the format of its suffix, which is .png, .jpg, .jpeg, .pdf or .svg, at `dpi` dots per inch; see
`save`. Whatever is random has a seed of its own: drawing never changes training, and pictures of
the same model taken epoch after epoch can be compared.

Images come as arrays or tensors [n, h, w, 1 or 3], floats in [0, 1] (clipped) or uint8; pixels that
are NaN or infinite are red. A model that lacks what a picture needs raises UsageError.
"""

import numpy as np

from zoo.figures.attention_maps import attention
from zoo.figures.captioned_images import caption_maps
from zoo.figures.epochs import epoch_series, loss_curves, sample_series
from zoo.figures.formats import FORMATS, check_format
from zoo.figures.image_pairs import translations
from zoo.figures.images import interpolation, reconstructions, samples
from zoo.figures.latents import latent_grid, latent_scatter, prior_components
from zoo.figures.rendering import (
    BLUE,
    ORANGE,
    PALETTE,
    grid,
    pixels,
    plot,
    save,
    text_strip,
    to_array,
)
from zoo.figures.stylization import loss_trajectories, stylized

__all__ = [
    "BLUE",
    "FORMATS",
    "ORANGE",
    "PALETTE",
    "attention",
    "caption_maps",
    "check_format",
    "loss_trajectories",
    "grid",
    "interpolation",
    "latent_grid",
    "latent_scatter",
    "loss_curves",
    "all_figures",
    "pixels",
    "plot",
    "prior_components",
    "sample_series",
    "reconstructions",
    "to_array",
    "samples",
    "save",
    "epoch_series",
    "stylized",
    "translations",
    "text_strip",
]


def all_figures(model, batch):
    """Every picture that the model's verbs and the batch allow: name -> uint8 [rows, columns, 3].

    The batch may hold "image" [n, h, w, c] in [0, 1] and "label" [n], of which the first 512 are
    used, or the images "source" and "target", or "content" and "style"; or ids of texts, "source"
    and "target". What is translated or captioned are the first four.
    """
    verbs = ("sample", "reconstruct", "interpolate", "encode", "decode", "prior", "translate")
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
    if "translate" in verbs and np.ndim(batch.get("source")) == 4:
        pictures["translations"] = translations(model, batch["source"], batch["target"])
    if np.ndim(batch.get("source")) == 2 and all(model.vocabularies.values()):
        source, target = (np.asarray(batch[side][:4]) for side in ("source", "target"))
        texts = model.vocabulary("source").decode(source)
        limit = max(source.shape[1], target.shape[1] + 8)
        pictures["attention"] = attention(model.attention(texts, limit=limit))
    if len(images) and hasattr(model, "caption") and all(model.vocabularies.values()):
        pictures["captions"] = caption_maps(images[:4], model.attention(images[:4], limit=24))
    if hasattr(model, "stylized_image") and {"content", "style"} <= batch.keys():
        pictures["stylized_image"] = stylized(
            batch["content"][0], batch["style"][0], model.stylized_image()
        )
    return pictures
