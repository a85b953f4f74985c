"""Pairs of images from a folder: "AtoB:PATH" has A as source and B as target, "BtoA:" the reverse.

PATH holds files with both images side by side, A on the left and B on the right; or two folders,
A the first by name and B the second, whose files have the same names. If PATH holds folders named
like splits (`zoo.data.folders`), each of them has one of the two forms.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zoo.data import folders, image_files, image_sources
from zoo.errors import UsageError
from zoo.text.vocabulary import normalize

SHOWN = 5  # names that an error lists


def read_pairs(
    direction: str, path: Path, split: str, image_size: int | None = None
) -> dict[str, np.ndarray]:
    """{"source", "target"}: uint8 [n, h, w, 1 or 3], sorted by file name.

    Args:
        direction: "AtoB" or "BtoA".
        path: path of the folder.
        split: in the syntax of TFDS.
        image_size: crop the center square and resize it to this many pixels.

    Raises:
        UsageError: the folder does not hold pairs; the message names the files.
    """
    if not path.is_dir():
        raise UsageError(f"there is no folder {path} with pairs of images")
    paths = folders.split_paths(path) or {"train": path}
    folder = paths[image_sources.parse_split(split, paths)["name"]]
    sides = [
        image_files.stack_images(side, folder, size=image_size) for side in folder_pairs(folder)
    ]
    if sides[0].shape[1:3] != sides[1].shape[1:3]:
        (h, w), (h2, w2) = (side.shape[1:3] for side in sides)
        raise UsageError(
            f"the two images of a pair in {folder} must be of one size, got {w}x{h} and"
            f" {w2}x{h2} (width x height); image_size crops and resizes both"
        )
    source, target = sides if direction == "AtoB" else sides[::-1]
    return image_sources.slice_split({"source": source, "target": target}, split, paths, path.name)


def folder_pairs(folder: Path) -> list[Sequence[np.ndarray]]:
    """(A, B) of a folder, each a list of uint8 [h, w, 1 or 3]."""
    files = folders.visible_files(folder)
    images = folders.with_suffix(files, folders.IMAGES)
    folders.note_skipped_files(folder, files, images)
    top_level = [file for file in images if file.parent == folder]
    inner = folders.subfolders(folder)
    if top_level and not inner:
        both = image_files.read_each(top_level)
        return [*zip(*map(_split_halves, top_level, both), strict=True)]
    if len(inner) == 2 and not top_level:
        sides = ([file for file in images if file.is_relative_to(side)] for side in inner)
        return [image_files.read_each(side) for side in _match_files(inner, sides)]
    raise UsageError(
        f"{folder} holds {len(top_level)} images ({', '.join(folders.IMAGES)}) and {len(inner)}"
        " folders; expected pairs side by side in one file each, or two folders of images with"
        " the same names"
    )


def _split_halves(file: Path, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The left and right half of a file's image: uint8 [h, w / 2, 1 or 3] each."""
    width = image.shape[1]
    if width % 2:
        raise UsageError(
            f"{file} is {width} pixels wide, which is odd: expected two images of one width, side"
            " by side"
        )
    return image[:, : width // 2], image[:, width // 2 :]


def _stem(folder: Path, file: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _match_files(inner: Sequence[Path], sides: Iterable[list[Path]]) -> list[list[Path]]:
    """(files of A, files of B), sorted by name; the names agree except for suffixes."""
    stems = [
        dict(zip(files, normalize(_stem(folder, file) for file in files), strict=True))
        for folder, files in zip(inner, sides, strict=True)
    ]
    a, b = (Counter(side.values()) for side in stems)
    unmatched = [f"{inner[0].name}/{name}" for name in sorted(a - b)]
    unmatched += [f"{inner[1].name}/{name}" for name in sorted(b - a)]
    if unmatched or not a:
        listed = ", ".join(unmatched[:SHOWN]) + (", ..." if len(unmatched) > SHOWN else "")
        raise UsageError(
            f"{inner[0].parent} has {len(unmatched)} images without a partner ({listed or 'none'})"
            f" and {(a & b).total()} pairs: each image in {inner[0].name} needs one of the"
            f" same name in {inner[1].name}"
        )
    return [sorted(side, key=side.__getitem__) for side in stems]
