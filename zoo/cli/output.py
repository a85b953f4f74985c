"""Writes what commands generate: figures, arrays and tables."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checks import require_method
from zoo.cli.options import FIGURE_SUFFIXES
from zoo.errors import ZooError
from zoo.files import write_atomically

if TYPE_CHECKING:
    import numpy as np

    from zoo.model import Model

MAX_MAPS = 8  # texts or images in a figure of attention weights


def write_samples(model: "Model", n: int, seed: int, path: Path, **conditions: Any) -> None:
    """Writes `n` samples of a model as a figure or as an array, depending on the file's suffix."""
    from zoo import figures

    if path.suffix.lower() in FIGURE_SUFFIXES:
        figures.samples(model, n, seed, path, **conditions)
    else:
        _write_arrays(path, image=require_method(model, "sample")(n, seed=seed, **conditions))


def write_translations(model: "Model", batch: dict, seed: int | None, path: Path) -> None:
    """Writes the translated source images of a batch with their targets: a figure, or arrays."""
    from zoo import figures

    source = batch["source"]
    target = batch["target"]
    if path.suffix.lower() in FIGURE_SUFFIXES:
        figures.translations(model, source, target, len(source), seed, path)
    else:
        _write_arrays(path, image=model.translate(source, seed=seed), source=source, target=target)


def write_attention(model: "Model", images: "np.ndarray", max_length: int, path: Path) -> None:
    """Writes a figure of images and the attention weights of each token of their captions."""
    from zoo import figures

    figures.caption_maps(images, model.attention_maps(images, max_length=max_length), path)


def write_table(model: "Model", corpus: Any, n: int, path: Path, **options: Any) -> None:
    """Writes the first `n` texts of a corpus, their translations and their targets as a TSV file.

    Args:
        model: with `translate`.
        corpus: pairs of texts.
        n: number of texts.
        path: the file.
        options: of `model.translate`.
    """
    source, target = (corpus.texts[side][:n] for side in ("source", "target"))
    rows = zip(source, model.translate(source, **options), target, strict=True)
    table = [("source", "translated", "target"), *rows]
    lines = ["\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in table]
    write_atomically(path, lambda file: file.write("".join(lines).encode()))


def try_figure(draw: Callable, *args: Any, path: Path) -> dict[str, str]:
    """Calls `draw(*args, path=path)`; an error does not lose the results of the command.

    Returns {"error": ...} if the figure cannot be made, else {}.
    """
    try:
        draw(*args, path=path)
    except (ZooError, OSError, ValueError) as error:
        return {"error": f"{path} was not written: {error}"}
    return {}


def _write_arrays(path: Path, image: Any, **arrays: Any) -> None:
    """Writes all arrays as .npz, or the images only as .npy."""
    import numpy as np

    image = np.asarray(image)
    if path.suffix.lower() == ".npy":
        write_atomically(path, lambda file: np.save(file, image))
    else:
        write_atomically(path, functools.partial(np.savez_compressed, image=image, **arrays))
