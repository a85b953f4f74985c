"""Texts from wherever they are: named data sets, tables, parallel files, folders with captions.

load_pairs("multi30k", "train", languages=("de", "en"))
load_pairs("deu.tsv", columns=(1, 0))               # a table with tabs; .gz too
load_pairs(("news.de.gz", "news.en.gz"))            # line n goes with line n
load_pairs("folder", "val", languages=("de", "en")) # folder/val.de and folder/val.en
load_captions("flickr8k", "test", image_size=160)
load_captions("photos", captions="photos.txt")      # photos/NAME and lines NAME, tab, caption
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from zoo.checks import check_optional_numbers
from zoo.data import image_files, image_sources, source_names, text_files, tfds_store
from zoo.data.catalog import info
from zoo.errors import UsageError, short_repr
from zoo.files import user_path
from zoo.text.vocabulary import to_str_list

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


def load_pairs(source, split="train", languages=None, *, columns=None, data_dir=None):
    """Pairs of texts as a `Corpus` with "source" and "target".

    source: a name of the catalog ("multi30k", "tatoeba/tatoeba_fr"); a table with tabs; two
      files; a folder of files named SPLIT.LANGUAGE; any of these files may end in .gz. The split
      "validation" may be called valid, val or dev, and "test" test_2016_flickr.
    split: as TFDS writes it; a table and two files have the one split "train", or parts of it.
    languages: of a folder or a name: (of the source, of the target); a name has a direction of
      its own.
    columns: of a table, counted from 0: (of the source, of the target), (0, 1) if not given.

    Raises UsageError that names the file and the line, and what `zoo.data.load` raises.
    """
    _check_text(split=split)
    named, files = source_names.is_named(source), isinstance(source, tuple | list)
    folder = not named and not files and user_path(source).is_dir()
    if columns is not None and (named or files or folder):
        raise UsageError(f"columns are of a table; of {short_repr(str(source))} leave them out")
    if languages is not None and not named and not folder:
        raise UsageError(
            "languages are of a folder or a named data set (a table has columns=); of"
            f" {short_repr(str(source))} leave them out"
        )
    if languages is not None:
        languages = source_names.check_languages(languages)
    if named:
        return _named_pairs(source, split, languages, data_dir)
    there = ("train",)
    if files:
        sides = _parallel(*source)
        name = Path(source[0]).name
    elif folder:
        path, there = user_path(source), (split.partition("[")[0].strip(),)
        if languages is None:
            raise UsageError(f"say which files of {path} to read, as in languages=('de', 'en')")
        name = path.name
        sides = _parallel(
            *(find_file(path, *source_names.text_file_names(there[0], x)) for x in languages)
        )
    else:
        name = Path(source).name
        sides = text_files.read_table(source, (0, 1) if columns is None else columns)
    if not sides[0]:
        raise UsageError(f"{name} is empty: it holds no text")
    part = image_sources.slice_split({"line": np.arange(len(sides[0]))}, split, there)["line"]
    pairs = zip(("source", "target"), sides, strict=True)
    return Corpus({key: [side[i] for i in part] for key, side in pairs}, name, split)


def _check_text(**values):
    for name, value in values.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} must be text, got {short_repr(value)}")


def _named_pairs(name, split, languages, data_dir):
    row = info(name)
    if row.kind != "pairs":
        raise UsageError(f"{name} holds {row.kind}, no pairs of texts; {row.loader} loads it")
    builder, data = tfds_store.open_split(name, split, data_dir)
    known = [*builder.info.features]
    languages = tuple(languages or builder.info.supervised_keys or row.features)
    if not {*languages} <= {*known}:
        raise UsageError(f"{name} has the languages {', '.join(known)}; got {languages}")
    sides = {key: [] for key in languages}
    with tfds_store.read_errors(name, builder.data_dir):
        data = data.map(lambda example: {key: example[key] for key in languages})
        for batch in data.batch(1024).as_numpy_iterator():
            for key in languages:
                sides[key] += to_str_list(batch[key], f"{name} {split}, {key}:")
    return Corpus(dict(zip(("source", "target"), sides.values(), strict=True)), name, split)


def _parallel(*paths):
    if len(paths) != 2:
        raise UsageError(f"pairs come from two files, got {len(paths)}")
    sides = [text_files.read_lines(path) for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{paths[0]} has {len(sides[0]):,} lines and {paths[1]} {len(sides[1]):,}; line n of"
            " one must go with line n of the other"
        )
    return sides


def find_file(folder, *names):
    """The first file of these names in a folder, or the same with .gz; UsageError if none is."""
    if found := source_names.find_file(folder, *names):
        return found
    there = ", ".join(sorted(path.name for path in folder.glob("*"))[:SHOWN])
    raise UsageError(
        f"{folder} has no {names[0]} and no {names[0]}.gz; it has {there or 'nothing'}"
    )


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
    _check_text(split=split)
    check_optional_numbers(image_size=image_size)
    if source_names.is_named(source):
        if captions is not None or names is not None:
            raise UsageError(f"captions= and names= are of a folder; of {source} leave them out")
        return _named_captions(source, split, image_size, data_dir)
    folder = user_path(source)
    if captions is None or not folder.is_dir():
        raise UsageError(
            f"{folder} must be a folder of images, and captions= a file, got {captions}"
        )
    said = text_files.read_captions(captions)
    wanted = [*said]
    if names is not None:
        wanted = [line.strip() for line in text_files.read_lines(names) if line.strip()]
    check_images(wanted, folder, said)
    wanted = image_sources.slice_split({"name": np.array(wanted)}, split)["name"]
    files = [folder / name for name in wanted]
    arrays = {"image": image_files.read_images(files, folder, size=image_size)}
    return _caption_corpus([said[name] for name in wanted], folder.name, split, arrays)


def with_mirror_images(corpus):
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


def check_images(names, folder, said):
    """Raises UsageError listing the images that have no file in a folder, or no caption."""
    missing = [name for name in names if name not in said or not user_path(folder / name).is_file()]
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
    builder, data = tfds_store.open_split(name, split, data_dir)
    size, decode = image_size or row.image_size, builder.info.features["image"].decode_example
    said, arrays = [], {name: [] for name in row.features if name != "captions"}
    with tfds_store.read_errors(name, builder.data_dir):
        for example in data.as_numpy_iterator():
            image = decode(example["image"]).numpy()
            example["image"] = image if size is None else image_files.center_square(image, size)
            texts = example["captions"]
            texts = texts["text"] if isinstance(texts, dict) else texts
            said.append(to_str_list(texts, f"{name} {split}, image {len(said) + 1:,}: caption"))
            for feature, values in arrays.items():
                values.append(example[feature])
    return _caption_corpus(
        said, name, split, {key: np.stack(values) for key, values in arrays.items()}
    )


def _caption_corpus(said, name, split, arrays):
    rows = np.repeat(np.arange(len(said)), [len(texts) for texts in said])
    return Corpus(
        {"caption": [text for texts in said for text in texts]}, name, split, arrays, rows
    )
