"""Pairs of pictures from a folder: "AtoB:PATH" makes A the source and B the target, "BtoA:" not.

PATH holds files with both pictures side by side, A on the left and B on the right; or two folders,
A the first by name and B the second, whose files have the same names. Where PATH holds folders
named train, val, validation or test, these are the splits, each in one of the two forms.
"""

from collections import Counter

from zoo.data import location, sources
from zoo.errors import UsageError

SHOWN = 5  # names that an error lists


def read(direction, path, split, image_size=None):
    """{"source", "target"}: uint8 [n, h, w, 1 or 3], in the order of the files' names.

    Raises UsageError for whatever is not a folder of pairs: it names the files.
    """
    if not path.is_dir():
        raise UsageError(f"there is no folder {path} with pairs of pictures")
    there = location.splits(f"{direction}:{path}")
    name = sources.parsed(split, there)[0]
    folder = path / name if (path / name).is_dir() else path
    sides = [sources.stacked(folder, side, image_size) for side in zip(*pairs(folder), strict=True)]
    if sides[0].shape[1:3] != sides[1].shape[1:3]:
        (h, w), (high, wide) = (side.shape[1:3] for side in sides)
        raise UsageError(
            f"the two pictures of a pair in {folder} must be of one size, got {w}x{h} and"
            f" {wide}x{high} (width x height); image_size cuts and scales both to one"
        )
    source, target = sides if direction == "AtoB" else sides[::-1]
    return sources.cut({"source": source, "target": target}, split, there)


def pairs(folder):
    """[(A, B), ...], each uint8 [h, w, 1 or 3]."""
    files = sources.files(folder)
    folders = [d for d in sorted(folder.iterdir()) if d.is_dir() and not d.name.startswith(".")]
    if files and not folders:
        return [halves(file) for file in files]
    if len(folders) == 2 and not files:
        return [(sources.picture(a), sources.picture(b)) for a, b in matched(*folders)]
    raise UsageError(
        f"{folder} holds {len(files)} pictures ({', '.join(sources.SUFFIXES)}) and {len(folders)}"
        " folders; expected pairs side by side in one file each, or two folders of pictures with"
        " the same names"
    )


def halves(file):
    """The left and the right half of a picture file: uint8 [h, w / 2, 1 or 3] each."""
    both = sources.picture(file)
    width = both.shape[1]
    if width % 2:
        raise UsageError(
            f"{file} is {width} pixels wide, which is odd: two pictures of one width, side by"
            " side, were expected"
        )
    return both[:, : width // 2], both[:, width // 2 :]


def matched(*folders):
    """[(file of A, file of B), ...] with the same names, endings aside."""
    sides = [sorted(sources.files(folder), key=lambda file: file.stem) for folder in folders]
    a, b = (Counter(file.stem for file in files) for files in sides)
    alone = [f"{folders[0].name}/{name}" for name in sorted(a - b)]
    alone += [f"{folders[1].name}/{name}" for name in sorted(b - a)]
    if alone or not a:
        listed = ", ".join(alone[:SHOWN]) + (", ..." if len(alone) > SHOWN else "")
        raise UsageError(
            f"{folders[0].parent} has {len(alone)} pictures without a partner ({listed or 'none'})"
            f" and {(a & b).total()} pairs: each picture in {folders[0].name} needs one of the"
            f" same name in {folders[1].name}"
        )
    return zip(*sides, strict=True)
