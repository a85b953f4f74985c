"""Pairs of pictures from a folder: "AtoB:PATH" makes A the source and B the target, "BtoA:" not.

PATH holds files with both pictures side by side, A on the left and B on the right; or two folders,
A the first by name and B the second, whose files have the same names. Where PATH holds folders
named as splits (`zoo.data.folders`), each of them is in one of the two forms.
"""

from collections import Counter

from zoo.data import folders, image_files, image_sources
from zoo.errors import UsageError

SHOWN = 5  # names that an error lists


def read_pairs(direction, path, split, image_size=None):
    """{"source", "target"}: uint8 [n, h, w, 1 or 3], in the order of the files' names.

    Raises UsageError for whatever is not a folder of pairs: it names the files.
    """
    if not path.is_dir():
        raise UsageError(f"there is no folder {path} with pairs of pictures")
    places = folders.split_paths(path) or {"train": path}
    folder = places[image_sources.parse_split(split, places)["name"]]
    sides = [
        image_files.stack_images(side, folder, size=image_size) for side in folder_pairs(folder)
    ]
    if sides[0].shape[1:3] != sides[1].shape[1:3]:
        (h, w), (high, wide) = (side.shape[1:3] for side in sides)
        raise UsageError(
            f"the two pictures of a pair in {folder} must be of one size, got {w}x{h} and"
            f" {wide}x{high} (width x height); image_size cuts and scales both to one"
        )
    source, target = sides if direction == "AtoB" else sides[::-1]
    return image_sources.slice_split({"source": source, "target": target}, split, places, path.name)


def folder_pairs(folder):
    """(A, B) of a folder, each a list of uint8 [h, w, 1 or 3]."""
    files = folders.visible_files(folder)
    images = folders.with_suffix(files, folders.IMAGES)
    folders.note_skipped_files(folder, files, images)
    loose = [file for file in images if file.parent == folder]
    inner = folders.subfolders(folder)
    if loose and not inner:
        both = image_files.read_each(loose)
        return [*zip(*map(_split_halves, loose, both), strict=True)]
    if len(inner) == 2 and not loose:
        sides = ([file for file in images if file.is_relative_to(side)] for side in inner)
        return [image_files.read_each(side) for side in _match_files(inner, sides)]
    raise UsageError(
        f"{folder} holds {len(loose)} pictures ({', '.join(folders.IMAGES)}) and {len(inner)}"
        " folders; expected pairs side by side in one file each, or two folders of pictures with"
        " the same names"
    )


def _split_halves(file, both):
    """The left and the right half of the image of a file: uint8 [h, w / 2, 1 or 3] each."""
    width = both.shape[1]
    if width % 2:
        raise UsageError(
            f"{file} is {width} pixels wide, which is odd: two pictures of one width, side by"
            " side, were expected"
        )
    return both[:, : width // 2], both[:, width // 2 :]


def _match_files(inner, sides):
    """(files of A, files of B), in the order of their names, which agree but for the endings."""
    stems = [
        {file: file.relative_to(folder).with_suffix("").as_posix() for file in files}
        for folder, files in zip(inner, sides, strict=True)
    ]
    a, b = (Counter(side.values()) for side in stems)
    alone = [f"{inner[0].name}/{name}" for name in sorted(a - b)]
    alone += [f"{inner[1].name}/{name}" for name in sorted(b - a)]
    if alone or not a:
        listed = ", ".join(alone[:SHOWN]) + (", ..." if len(alone) > SHOWN else "")
        raise UsageError(
            f"{inner[0].parent} has {len(alone)} pictures without a partner ({listed or 'none'})"
            f" and {(a & b).total()} pairs: each picture in {inner[0].name} needs one of the"
            f" same name in {inner[1].name}"
        )
    return [sorted(side, key=side.get) for side in stems]
