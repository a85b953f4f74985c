"""Texts from wherever they are: named data sets, tables, parallel files, folders with captions.

load_pairs("multi30k", "train", languages=("de", "en"))
load_pairs("deu.tsv", columns=(1, 0))               # a table with tabs; .gz too
load_pairs(("news.de.gz", "news.en.gz"))            # line n goes with line n
load_pairs("folder", "val", languages=("de", "en")) # folder/val.de and folder/val.en
load_captions("flickr8k", "test", image_size=160)
load_captions("photos", captions="photos.txt")      # photos/NAME and lines NAME, tab, caption
"""

import csv
import gzip
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from zoo.data import image_files, location, sources, store
from zoo.data.catalog import info
from zoo.errors import UsageError
from zoo.files import user_path
from zoo.text.vocabulary import readable

SHOWN = 5  # names that an error lists


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts side by side, and arrays that belong to them.

    Args:
        texts: name -> list of str [n]: "source" and "target", or "caption".
        name: of the data set.
        split: what part of it this is.
        arrays: name -> array [m, ...], as "image".
        rows: int [n], the row of the arrays that each text belongs to; None: row i to text i.
    """

    texts: dict = field(repr=False)
    name: str
    split: str
    arrays: dict = field(default_factory=dict, repr=False)
    rows: np.ndarray | None = field(default=None, repr=False)

    def __len__(self):
        return len(next(iter(self.texts.values())))

    def references(self, name):
        """The texts of a name that are right for one and the same: a list of str for each."""
        if self.rows is None:
            return [[text] for text in self.texts[name]]
        found = [[] for _ in range(max(self.rows, default=-1) + 1)]
        for row, text in zip(self.rows, self.texts[name], strict=True):
            found[row].append(text)
        return found


def load_pairs(source, split="train", languages=None, *, columns=(0, 1), data_dir=None):
    """Pairs of texts as a `Corpus` with "source" and "target".

    source: a name of the catalog ("multi30k", "tatoeba/tatoeba_fr"); a table with tabs; two
      files; a folder of files named SPLIT.LANGUAGE; any of these files may end in .gz. The split
      "validation" may be called valid, val or dev, and "test" test_2016_flickr.
    split: as TFDS writes it; a table and two files have the one split "train", or parts of it.
    languages: (of the source, of the target); a named data set has a direction of its own.
    columns: of a table, counted from 0: (of the source, of the target).

    Raises UsageError that names the file and the line, and what `zoo.data.load` raises.
    """
    if location.is_named(source):
        return _named_pairs(source, split, languages, data_dir)
    there = ("train",)
    if isinstance(source, tuple | list):
        name, sides = Path(source[0]).name, _parallel(*source)
    elif user_path(source).is_dir():
        path, there = user_path(source), (split.partition("[")[0].strip(),)
        if not languages:
            raise UsageError(f"say which files of {path} to read, as in languages=('de', 'en')")
        name = path.name
        sides = _parallel(*(file(path, *location.texts(there[0], x)) for x in languages))
    else:
        name, sides = Path(source).name, _table(user_path(source), columns)
    part = sources.cut({"line": np.arange(len(sides[0]))}, split, there)["line"]
    pairs = zip(("source", "target"), sides, strict=True)
    return Corpus({key: [side[i] for i in part] for key, side in pairs}, name, split)


def _named_pairs(name, split, languages, data_dir):
    row = info(name)
    if row.kind != "pairs":
        raise UsageError(f"{name} holds {row.kind}, no pairs of texts; {row.loader} loads it")
    builder, data = store.opened(name, split, data_dir)
    known = [*builder.info.features]
    languages = tuple(languages or builder.info.supervised_keys or row.features)
    if len(languages) != 2 or not {*languages} <= {*known}:
        raise UsageError(f"{name} has the languages {', '.join(known)}; got {languages}")
    sides = {key: [] for key in languages}
    data = data.map(lambda example: {key: example[key] for key in languages})
    for batch in data.batch(1024).as_numpy_iterator():
        for key in languages:
            sides[key] += readable(batch[key], f"{name} {split}, {key}:")
    return Corpus(dict(zip(("source", "target"), sides.values(), strict=True)), name, split)


def _parallel(*paths):
    if len(paths) != 2:
        raise UsageError(f"pairs come from two files, got {len(paths)}")
    sides = [lines(path) for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{paths[0]} has {len(sides[0]):,} lines and {paths[1]} {len(sides[1]):,}; line n of"
            " one must go with line n of the other"
        )
    return sides


def file(folder, *names):
    """The first file of these names in a folder, or the same with .gz; UsageError if none is."""
    if found := location.file(folder, *names):
        return found
    there = ", ".join(sorted(path.name for path in folder.glob("*"))[:SHOWN])
    raise UsageError(
        f"{folder} has no {names[0]} and no {names[0]}.gz; it has {there or 'nothing'}"
    )


def _table(path, columns):
    sides = [], []
    for number, line in enumerate(lines(path), 1):
        cells = line.split("\t")
        if len(cells) <= max(columns):
            raise UsageError(
                f"{path}: line {number:,} has {len(cells)} columns, no column {max(columns)}"
                f" (from 0), in {line[:60]!r}; separate them by tabs"
            )
        for side, column in zip(sides, columns, strict=True):
            side.append(cells[column])
    return sides


def lines(path):
    """The lines of a UTF-8 file, gzipped or not. Raises UsageError naming the file and the line."""
    path = user_path(path)
    if not path.is_file():
        raise UsageError(f"there is no file {path}, and no data set of that name")
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return lines_of(raw, path)


def lines_of(raw, name):
    """The lines of the bytes of a UTF-8 text. Raises UsageError naming the text and the line."""
    found = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not found[-1]:
        del found[-1]
    return readable([line.removesuffix(b"\r") for line in found], f"{name}: line")


def load_captions(
    source, split="train", *, captions=None, names=None, image_size=None, data_dir=None
):
    """Images with captions as a `Corpus`: "caption", and the array "image", uint8 [m, h, w, c].

    source: a name of the catalog ("flickr8k", "shapes"), or a folder of images.
    captions: of a folder: a file of lines NAME, tab, caption (as Flickr8k.token.txt has them,
      NAME#0), or NAME, comma, caption.
    names: of a folder: a file that lists the images to take, one a line; else all with captions.
    image_size: cut the centre square out and scale it to this many pixels.

    Raises UsageError, which lists images that are missing, and what `zoo.data.load` raises.
    """
    if location.is_named(source):
        return _named_captions(source, split, image_size, data_dir)
    folder = user_path(source)
    if captions is None or not folder.is_dir():
        raise UsageError(
            f"{folder} must be a folder of images, and captions= a file, got {captions}"
        )
    said = captioned(captions)
    wanted = [line.strip() for line in lines(names) if line.strip()] if names else [*said]
    check_images(wanted, folder, said)
    wanted = sources.cut({"name": np.array(wanted)}, split)["name"]
    files = [folder / name for name in wanted]
    arrays = {"image": image_files.read_images(files, folder, size=image_size)}
    return _flat([said[name] for name in wanted], folder.name, split, arrays)


def mirrored(corpus):
    """A `Corpus` that has the mirror image of each image, too, with the same captions.

    A caption that says left or right is wrong of the mirror image; few do.
    """
    turned = corpus.arrays | {"image": corpus.arrays["image"][:, :, ::-1]}
    arrays = {name: np.concatenate([x, turned[name]]) for name, x in corpus.arrays.items()}
    texts = {name: 2 * said for name, said in corpus.texts.items()}
    rows = corpus.rows
    if rows is not None:
        rows = np.concatenate([rows, rows + len(turned["image"])])
    return replace(corpus, texts=texts, arrays=arrays, rows=rows)


def captioned(path):
    """Image name -> its captions, of a file of captions."""
    found = {}
    for number, line in enumerate(lines(path), 1):
        name, tab, caption = line.partition("\t")
        if not tab:
            name, *rest = next(csv.reader([line]), [""])
            caption = ",".join(rest)
            if (name, caption) == ("image", "caption"):
                continue
        if not name or not caption:
            raise UsageError(
                f"{path}: line {number:,} must be an image's name, a tab or comma, and a caption;"
                f" got {line[:60]!r}"
            )
        found.setdefault(name.partition("#")[0], []).append(caption)
    return found


def check_images(names, folder, said):
    """Raises UsageError listing the images that have no file in a folder, or no caption."""
    missing = [name for name in names if name not in said or not (folder / name).is_file()]
    if missing:
        listed = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise UsageError(
            f"{len(missing):,} of {len(names):,} images have no file in {folder}, or no caption:"
            f" {listed}"
        )


def _named_captions(name, split, image_size, data_dir):
    row = info(name)
    if row.kind != "captions":
        raise UsageError(f"{name} holds {row.kind}, no captions of images; {row.loader} loads it")
    builder, data = store.opened(name, split, data_dir)
    size, decode = image_size or row.image_size, builder.info.features["image"].decode_example
    said, arrays = [], {name: [] for name in row.features if name != "captions"}
    for example in data.as_numpy_iterator():
        image = decode(example["image"]).numpy()
        example["image"] = image if size is None else image_files.square(image, size)
        texts = example["captions"]
        texts = texts["text"] if isinstance(texts, dict) else texts
        said.append(readable(texts, f"{name} {split}, image {len(said) + 1:,}: caption"))
        for feature, values in arrays.items():
            values.append(example[feature])
    return _flat(said, name, split, {key: np.stack(values) for key, values in arrays.items()})


def _flat(said, name, split, arrays):
    rows = np.repeat(np.arange(len(said)), [len(texts) for texts in said])
    return Corpus(
        {"caption": [text for texts in said for text in texts]}, name, split, arrays, rows
    )
