"""A preset is a folder: config.json, model.weights.h5, card.md. Here it is read and checked.

config.json holds the model's name and arguments, size and SHA-256 of the other files, what the
model answers to three examples, and as `digest` the SHA-256 of all that.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import PresetError, UsageError
from zoo.presets import cards
from zoo.records import digest

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.weights.h5", "card.md"
STORED = ("float32", "float16", "int8")  # how weights may be written, see `rounding`
LARGEST = 32 * 2**20  # bytes of a config.json


@dataclass(frozen=True)
class Preset:
    """A preset that was read and found sound.

    Attributes:
        folder: where it is.
        record: what its config.json holds.
        card: the text of its card.
    """

    folder: Path
    record: dict
    card: str

    @property
    def name(self):
        return self.record["name"]

    @property
    def model(self):
        """The registered name of its architecture."""
        return self.record["model"]

    @property
    def license(self):
        return cards.header(self.card)["license"]

    def arguments(self):
        """Constructor arguments of the model; raises PresetError if Keras cannot make them."""
        import keras

        from zoo.registry import get_class

        get_class(self.model)  # registers what its arguments may be made of
        try:
            return keras.saving.deserialize_keras_object(self.record["config"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PresetError(f"the configuration in {self.folder} is unusable: {error}") from error

    def load(self, model):
        """Gives `model` the weights; raises PresetError if they are of another configuration."""
        from zoo.presets import rounding

        try:
            with rounding.readable(self.folder / WEIGHTS, self.record["stored"]) as path:
                model.load_weights(path)
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise PresetError(
                f"the weights in {self.folder} do not fit {self.model} with the configuration"
                f" beside them: {error}"
            ) from error


def read(folder):
    """The `Preset` in a folder.

    Raises UsageError: no folder, or none of a preset; PresetError: damaged, or of a newer version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        kind = "is a file: unpack it, if it is an archive" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {kind}; a preset is a folder with {CONFIG}, {WEIGHTS}, {CARD}")
    if not (folder / CONFIG).is_file():
        raise UsageError(
            f"{folder} is no preset: it has no {CONFIG}. `zoo push` and `zoo.save` make presets"
        )
    record = parse((folder / CONFIG).read_bytes(), folder)
    for name, facts in record["files"].items():
        check(folder / name, facts)
    try:
        card = (folder / CARD).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PresetError(f"{folder / CARD} is no UTF-8 text: {error}") from error
    cards.header(card, folder / CARD)
    return Preset(folder, record, card)


def parse(raw, where):
    """What the bytes of a config.json hold; `where` is for the errors of `read`."""
    try:
        record = json.loads(raw)
        form = record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{where} is no preset: its {CONFIG} is not that of one ({type(error).__name__}:"
            f" {error}). `zoo push` makes a preset of a run"
        ) from error
    if type(form) is not int or form > FORMAT:
        raise PresetError(
            f"{where} has the format {form!r}, made by a newer version of the zoo; this one reads"
            f" up to {FORMAT}: upgrade it"
        )
    if record.get("digest") != digest(record):
        raise PresetError(
            f"{where} is damaged or was changed: the digest in {CONFIG} is not that of its content."
            " Get it anew"
        )
    files = record.get("files")
    kinds = dict.fromkeys(("name", "model", "stored"), str)
    kinds |= {"config": dict, "files": dict, "parameters": int}
    wrong = [key for key, kind in kinds.items() if not isinstance(record.get(key), kind)]
    if wrong or set(files) != {WEIGHTS, CARD}:
        raise PresetError(
            f"{where} must tell {[*kinds]}, files those of {WEIGHTS} and {CARD}; got"
            f" {wrong or [*files]}"
        )
    for facts in files.values():
        if set(facts) != {"sha256", "size"} or not isinstance(facts["size"], int):
            raise PresetError(f"{where} must tell sha256 and size of each file, got {facts!r:.80}")
    return record


def check(path, facts):
    """Raises PresetError unless a file is there, of the size and with the hash it should have."""
    if not path.is_file():
        raise PresetError(f"{path.parent} is incomplete: {path.name} is missing. Get it anew")
    size = path.stat().st_size
    if size != facts["size"]:
        raise PresetError(
            f"{path} has {size:,} bytes in place of {facts['size']:,}: half a file. Get it anew"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != facts["sha256"]:
        raise PresetError(
            f"{path} has the wrong hash: sha256 {found[:12]}... in place of"
            f" {facts['sha256'][:12]}...; it is damaged or was changed. Get it anew"
        )
