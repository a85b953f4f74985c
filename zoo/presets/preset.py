"""A preset is a folder: config.json, model.weights.h5, card.md. Here it is read and checked.

config.json holds the model's name and arguments, size and SHA-256 of the other files, what the
model answers to three examples, and as `digest` the SHA-256 of all that. Nothing that its author
declares is believed: not a type, not a size, not a text that a terminal would obey.
"""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import PresetError, UnknownNameError, UsageError, one_line
from zoo.files import digest, recover_folder, sha256
from zoo.presets import cards, configuration

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.weights.h5", "card.md"
STORED = ("float32", "float16", "int8")  # how weights may be written, see `rounding`
LARGEST = 2**23  # bytes of a config.json
LARGEST_CARD = 2**20
LARGEST_WEIGHTS = 2**31
LONGEST = 200  # characters of a name
PAUSES = (0.02, 0.05, 0.1, 0.2)  # seconds, between tries to read what is being replaced


@dataclass(frozen=True)
class Preset:
    """A preset that was read and is sound.

    Attributes:
        folder: where it is.
        record: what its config.json holds.
        card: the text of its card, without control characters.
        weights: the bytes of its weights file, whose hash is right.
    """

    folder: Path
    record: dict
    card: str
    weights: bytes = field(repr=False)

    @property
    def name(self):
        return self.record["name"]

    @property
    def model(self):
        """The registered name of its architecture."""
        return self.record["model"]

    @property
    def license(self):
        """That of the weights, by the name of its own if hubs know it as "other" only."""
        header = cards.header(self.card)
        return header.get("license_name", header["license"])

    def build(self, config=None):
        """The model with fresh weights; `config` overrides arguments.

        Raises PresetError: an unknown model, arguments that cannot be or are not allowed, or more
        parameters than config.json tells.
        """
        from zoo import registry
        from zoo.presets import building

        config = config or {}
        known = registry.arguments(self.get_class())
        stored, parameters = self.record["config"], self.record["parameters"]
        configuration.check(stored, self.model, known, parameters, self.folder)
        try:
            with building.limited_variables(parameters, adapted=bool(config)):
                own = configuration.deserialized(stored)
                model = registry.build(self.model, **own | config)
        except PresetError:
            raise
        except Exception as error:  # whatever Keras and constructors make of a stranger's arguments
            if config:
                raise
            reason = one_line(error.__cause__ or error)
            raise PresetError(f"{self.folder} cannot be built: {reason}") from error
        return model

    def get_class(self):
        """The class of its architecture; raises PresetError if nothing has that name."""
        from zoo import registry

        try:
            return registry.get_class(self.model)  # registers what its arguments may be made of
        except UnknownNameError as error:
            package = self.record.get("package")
            if package:
                raise PresetError(
                    f"{self.folder} was made with the package {package['name']}"
                    f" {package['version']}, which is not installed here: if you trust it, pip"
                    f" install {package['name']}"
                ) from error
            raise PresetError(
                f"{self.folder} is of the model {self.model!r}, which nothing installed here has;"
                f" it may come from a plug-in's package: install that. {error}"
            ) from error

    def load(self, model):
        """Gives `model` the weights; raises PresetError if they are of another configuration."""
        from zoo.presets import building, weights

        try:
            count, told = building.parameters(model), self.record["parameters"]
            if count > told:
                raise ValueError(f"that makes {count:,} parameters, not {told:,}")
            weights.load(model, self.weights, self.record["stored"])
        except Exception as error:  # HDF5 and Keras raise what they like at a damaged file
            raise PresetError(
                f"the weights in {self.folder} do not fit {self.model} with the configuration"
                f" beside them: {one_line(error)}"
            ) from error


def read(folder):
    """The `Preset` in a folder, also while another process replaces it.

    Raises UsageError: no folder, or none of a preset; PresetError: damaged, or of a newer version.
    """
    folder = Path(folder)
    for pause in PAUSES:
        before = state(folder)
        try:
            return read_once(folder)
        except (PresetError, UsageError):
            if before == state(folder) and not (before is None and being_replaced(folder)):
                raise
        time.sleep(pause)
    recover_folder(folder)  # whoever was to replace it was killed
    return read_once(folder)


def state(folder):
    """What is another after a folder was replaced; None if there is no folder now."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def being_replaced(folder):
    """Whether a former folder of that name was moved aside, as `zoo.files` does it."""
    return any(folder.parent.glob(f".{folder.name}.*.old"))


def read_once(folder):
    try:
        if not folder.is_dir():
            is_there = folder.exists()
            kind = "is a file: unpack it, if it is an archive" if is_there else "does not exist"
            raise UsageError(
                f"{folder} {kind}; a preset is a folder with {CONFIG}, {WEIGHTS}, {CARD}"
            )
        if not (folder / CONFIG).is_file():
            raise UsageError(
                f"{folder} is no preset: it has no {CONFIG}. `zoo save` and `zoo.save` make presets"
            )
        size = (folder / CONFIG).stat().st_size
        if size > LARGEST:
            raise UsageError(
                f"{folder} is no preset: its {CONFIG} has {size:,} bytes, more than {LARGEST:,}"
            )
        record = parse((folder / CONFIG).read_bytes(), folder)
        raw = {name: content(folder / name, facts) for name, facts in record["files"].items()}
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        if isinstance(error, UsageError):
            raise
        raise PresetError(f"{folder} cannot be read: {one_line(error)}") from error
    try:
        card = raw[CARD].decode()
    except UnicodeDecodeError as error:
        raise PresetError(f"{folder / CARD} is no UTF-8 text: {one_line(error)}") from error
    cards.header(card, folder / CARD)
    return Preset(folder, record, cards.printable(card), raw[WEIGHTS])


def parse(raw, where):
    """What the bytes of a config.json hold; `where` is for the errors of `read`."""
    try:
        record = configuration.from_json(raw)
        form = record["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{where} is no preset: its {CONFIG} is not that of one ({type(error).__name__}:"
            f" {one_line(error)}). `zoo save` makes a preset of a run"
        ) from error
    if type(form) is not int or form != FORMAT:
        newer = type(form) is int and form > FORMAT
        made = ", made by a newer version of the zoo: upgrade it" if newer else ""
        raise PresetError(
            f"{where} has the format {form!r:.40}{made}; this version reads up to {FORMAT}"
        )
    try:
        intact = record.get("digest") == digest(record)
    except (ValueError, RecursionError):  # infinite numbers, or too deep
        intact = False
    if not intact:
        raise PresetError(
            f"{where} is damaged or was changed: the digest in {CONFIG} is not that of its content."
            " Get it again"
        )
    check_fields(record, where)
    return record


def check_fields(record, where):
    """Raises PresetError unless a config.json has what it must have, each of its type and size."""
    kinds = dict.fromkeys(("name", "model", "stored"), str)
    kinds |= {"config": dict, "files": dict, "parameters": int, "versions": dict}
    wrong = [key for key, kind in kinds.items() if type(record.get(key)) is not kind]
    if wrong or set(record["files"]) != {WEIGHTS, CARD}:
        raise PresetError(
            f"{where} must tell {[*kinds]}, files those of {WEIGHTS} and {CARD}; got"
            f" {str(wrong or [*record['files']])[:200]}"
        )
    for facts in record["files"].values():
        hashed = type(facts) is dict and set(facts) == {"sha256", "size"}
        hashed = hashed and re.fullmatch("[0-9a-f]{64}", str(facts["sha256"]))
        if not hashed or type(facts["size"]) is not int or facts["size"] < 0:
            raise PresetError(f"{where} must tell sha256 and size of each file, got {facts!r:.80}")
    package = record.get("package", {"name": "the-zoo", "version": "1"})
    if type(package) is not dict or set(package) != {"name", "version"}:
        raise PresetError(f"{where} must tell name and version of its package, got {package!r:.80}")
    versions = record["versions"]
    for text in (record["name"], record["model"], *versions, *versions.values(), *package.values()):
        if type(text) is not str or not text.isprintable() or not 0 < len(text) <= LONGEST:
            raise PresetError(f"{where} must tell names and versions in a line, got {text!r:.80}")
    if record["stored"] not in STORED:
        raise PresetError(
            f"{where} has weights stored as {record['stored']!r:.40}, not one of {STORED}"
        )
    check_sizes(record, where)


def check_sizes(record, where):
    """Raises PresetError unless size of the weights and number of parameters go together."""
    parameters, size = record["parameters"], record["files"][WEIGHTS]["size"]
    most = min(LARGEST_WEIGHTS, 6 * max(parameters, 0) + 2**24)
    least = {"float32": 2, "float16": 2, "int8": 1 / 16}[record["stored"]] * parameters - 2**20
    if parameters < 0 or not least <= size <= most:
        raise PresetError(
            f"{where} tells of {parameters:,} parameters as {record['stored']} in {size:,} bytes:"
            f" these do not go together, or are more than {LARGEST_WEIGHTS:,} bytes"
        )
    if record["files"][CARD]["size"] > LARGEST_CARD:
        raise PresetError(f"{where} tells of a card of more than {LARGEST_CARD:,} bytes")


def content(path, facts):
    """The bytes of a file; raises PresetError unless its size and hash are those it should have."""
    if not path.is_file():
        raise PresetError(f"{path.parent} is incomplete: {path.name} is missing. Get it again")
    size = path.stat().st_size
    if size != facts["size"]:
        raise PresetError(
            f"{path} has {size:,} bytes in place of {facts['size']:,}: half a file. Get it again"
        )
    raw = path.read_bytes()
    if sha256(raw) != facts["sha256"]:
        raise PresetError(
            f"{path} has the wrong hash: sha256 {sha256(raw)[:12]}... in place of"
            f" {facts['sha256'][:12]}...; it is damaged or was changed. Get it again"
        )
    return raw
