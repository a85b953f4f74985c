"""Where a model looked while it spoke: a map for each text, source pieces against target pieces."""

import functools

import numpy as np

from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import plot, save

MAPS = 12  # in a picture, at most
PIECE, ROOM = 22, 150  # pixels of a piece, and beside all of them


def attention(maps, path=None, dpi=None):
    """Maps of what was looked at (columns) for each piece that was said (rows); black is all of it.

    Args:
        maps: what `model.attention_maps(texts)` returns: a list of (source pieces, target pieces,
            weights [target, source]); the first twelve are drawn.
        path, dpi: see `save`.

    Raises UsageError: there is no map, or weights do not fit their pieces.
    """
    check_format(path, dpi)
    maps = [(source, target, np.asarray(weights)) for source, target, weights in maps[:MAPS]]
    if not maps:
        raise UsageError("attention has nothing to draw: there are no maps")
    for source, target, weights in maps:
        if weights.shape != (len(target), len(source)) or not weights.size:
            raise UsageError(
                f"a map of {len(target)} target and {len(source)} source pieces needs weights"
                f" [target, source], got {weights.shape}"
            )
    width = ROOM + PIECE * max(weights.shape[1] for *_, weights in maps)
    height = ROOM + PIECE * max(weights.shape[0] for *_, weights in maps)
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


def _label(piece):
    """A piece as a label: a space must be seen, and so must what the font has no sign for."""
    known = _glyphs()
    piece = piece.replace(" ", "\u2423") or "\u2205"
    return "".join(c if ord(c) in known else "\u25a1" for c in piece).replace("$", r"\$")


@functools.cache
def _glyphs():
    """The characters that Matplotlib's own font can draw."""
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans")).get_charmap().keys()
