"""Attention maps of generated texts: source tokens against target tokens."""

import functools
import os
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import plot, save

MAPS = 12  # maximum per figure
TOKEN = 22  # pixels
MARGIN = 150  # pixels


def attention(
    maps: Sequence[tuple[Sequence[str], Sequence[str], Any]],
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """Attention weights from each target token (rows) to the source tokens (columns); black is 1.

    Args:
        maps: the result of `model.attention_maps(texts)`: a list of (source tokens, target tokens,
            weights [target, source]); the first twelve are plotted.
        path, dpi: see `save`.

    Raises:
        UsageError: there is no map, or the weights do not match their tokens.
    """
    check_format(path, dpi)
    maps = [(source, target, np.asarray(weights)) for source, target, weights in maps[:MAPS]]
    if not maps:
        raise UsageError("attention has nothing to plot: there are no maps")
    for source, target, weights in maps:
        if weights.shape != (len(target), len(source)) or not weights.size:
            raise UsageError(
                f"a map of {len(target)} target and {len(source)} source tokens needs weights"
                f" [target, source], got {weights.shape}"
            )
    width = MARGIN + TOKEN * max(weights.shape[1] for *_, weights in maps)
    height = MARGIN + TOKEN * max(weights.shape[0] for *_, weights in maps)
    figure, *panels = plot(width, height, len(maps))
    for axes, (source, target, weights) in zip(panels, maps, strict=True):
        axes.imshow(weights, cmap="gray_r", vmin=0, vmax=1, aspect="equal")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(source)), map(_label, source), fontsize=8)
        axes.set_yticks(range(len(target)), map(_label, target), fontsize=8)
        long = max(map(len, source)) > 2
        axes.tick_params(axis="x", length=0, rotation=90 if long else 0)
        axes.tick_params(axis="y", length=0)
    return save(path, figure, dpi)


def _label(token: str) -> str:
    """A token as a label: spaces and characters without a glyph get a visible sign."""
    glyphs = _glyphs()
    token = token.replace(" ", "\u2423") or "\u2205"
    return "".join(c if ord(c) in glyphs else "\u25a1" for c in token).replace("$", r"\$")


@functools.cache
def _glyphs() -> Set[int]:
    """The characters that Matplotlib's own font has."""
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans")).get_charmap().keys()
