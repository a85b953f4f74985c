"""Piano rolls: the notes of voices over time."""

import os

import numpy as np

from zoo.errors import UsageError
from zoo.figures.formats import check_format
from zoo.figures.rendering import PALETTE, plot, save
from zoo.music import REST

FRAME = 12  # pixels of width
NAMES = ("soprano", "alto", "tenor", "bass")


def piano_roll(
    frames: np.ndarray,
    frames_per_bar: int = 4,
    path: str | os.PathLike | None = None,
    dpi: float | None = None,
) -> np.ndarray:
    """The score of a chorale: time to the right, pitch upward, a color for each voice.

    Args:
        frames: MIDI notes [n, 4], 0 for a rest, as `zoo.music.parse_frames` returns them.
        frames_per_bar: frames between two vertical lines.
        path, dpi: see `save`.

    Raises:
        UsageError: there is no note.
    """
    check_format(path, dpi)
    frames = np.asarray(frames)
    if frames.ndim != 2 or frames.shape[1] != len(NAMES) or not (frames != REST).any():
        raise UsageError(f"a piano roll needs notes [n, 4], got shape {frames.shape} or only rests")
    figure, axes = plot(max(480, min(FRAME * len(frames), 4000)), 420)
    for voice, name, color in zip(frames.T, NAMES, PALETTE, strict=False):
        edges = np.flatnonzero(np.diff(voice, prepend=-1, append=-1))
        spans = [(a, b) for a, b in zip(edges, edges[1:], strict=False) if voice[a] != REST]
        heights = [voice[a] - 0.4 for a, _ in spans]
        widths = [b - a - 0.1 for a, b in spans]
        axes.barh(
            heights, widths, 0.8, [a for a, _ in spans], align="edge", color=color, label=name
        )
    lowest = (frames[frames != REST].min() // 12) * 12
    octaves = np.arange(lowest, frames.max() + 12, 12)
    axes.set_yticks(octaves, [f"C{note // 12 - 1}" for note in octaves])
    axes.set_xticks(np.arange(0, len(frames) + 1, frames_per_bar))
    axes.tick_params(axis="x", labelsize=7)
    axes.set(xlabel="frame", ylabel="pitch", xlim=(0, len(frames)))
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    return save(path, figure, dpi)
