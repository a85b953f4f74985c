"""A preset is a folder: config.json, model.weights.h5, card.md, and vocabularies if the model
has any. This module reads and checks it; `preset_record` has the checks of config.json.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import PresetError, UnknownNameError, UsageError, one_line
from zoo.files import recover_folder, sha256
from zoo.presets import cards, configuration, format_1, vocabulary_files
from zoo.presets.preset_record import CARD, CONFIG, MAX_CONFIG_BYTES, WEIGHTS, parse

if TYPE_CHECKING:
    from zoo.model import Model

RETRY_PAUSES = (0.02, 0.05, 0.1, 0.2)  # seconds between attempts to read a folder being replaced


@dataclass(frozen=True)
class Preset:
    """A preset whose files were read and checked.

    Attributes:
        folder: its folder.
        record: the content of its config.json.
        card: the text of its card, without control characters.
        weights: the bytes of its weights file, whose hash matches.
        vocabularies: file name -> bytes of its vocabularies, whose hashes match.
    """

    folder: Path
    record: dict[str, Any]
    card: str
    weights: bytes = field(repr=False)
    vocabularies: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def model(self) -> str:
        """The registered name of its architecture."""
        return self.record["model"]

    @property
    def license(self) -> str:
        """The license of the weights; `license_name` of the card if `license` is "other"."""
        header = cards.header(self.card)
        return header.get("license_name", header["license"])

    def config(self) -> dict[str, Any]:
        """The constructor arguments of its model, vocabularies as text.

        Raises PresetError if a vocabulary file cannot be decoded.
        """
        try:
            return vocabulary_files.join(self.record["config"], self.vocabularies)
        except (ValueError, RecursionError) as error:
            raise PresetError(
                f"{self.folder} has a damaged vocabulary: {one_line(error)}. Get it again"
            ) from error

    def build(self, config: dict[str, Any] | None = None) -> "Model":
        """The model with initial weights.

        Args:
            config: constructor arguments that override those of the preset.

        Raises PresetError: an unknown model, arguments that are impossible or not allowed, or more
        parameters than config.json lists.
        """
        from zoo import registry
        from zoo.presets import building

        overrides = config or {}
        arguments = registry.arguments(self.get_class())
        own = self.config()
        parameters = self.record["parameters"]
        configuration.check(own, self.model, arguments, parameters, self.folder)
        try:
            with building.limited_variables(parameters, adapted=bool(overrides)):
                own = registry.deserialize(own)
                return registry.build(self.model, **own | overrides)
        except PresetError:
            raise
        except Exception as error:  # Keras and constructors may raise anything
            if overrides:
                raise
            reason = one_line(error.__cause__ or error)
            raise PresetError(f"{self.folder} cannot be built: {reason}") from error

    def get_class(self) -> type:
        """The class of its architecture; raises PresetError if no model has that name."""
        from zoo import registry

        try:
            return registry.get_class(self.model)  # also registers the objects in its arguments
        except UnknownNameError as error:
            package = self.record.get("package")
            if package:
                raise PresetError(
                    f"{self.folder} was made with the package {package['name']}"
                    f" {package['version']}, which is not installed here: if you trust it, pip"
                    f" install {package['name']}"
                ) from error
            raise PresetError(
                f"{self.folder} needs the model {self.model!r}, which no installed package has; if"
                f" it comes from a plug-in, install that package. {error}"
            ) from error

    def load_weights(self, model: "Model") -> None:
        """Loads the weights into `model`; raises PresetError if they do not fit it."""
        from zoo.presets import building, weights

        try:
            count = building.count_parameters(model)
            expected = self.record["parameters"]
            if count > expected:
                raise ValueError(f"that makes {count:,} parameters, not {expected:,}")
            rename = format_1.weight_renamer(self.record)
            weights.load(model, self.weights, self.record["dtype"], rename)
        except Exception as error:  # HDF5 and Keras may raise anything at a damaged file
            raise PresetError(
                f"the weights in {self.folder} do not fit {self.model} with the configuration"
                f" beside them: {one_line(error)}"
            ) from error


def read(folder: str | Path) -> Preset:
    """Reads the `Preset` in a folder, also while another process replaces it.

    Raises UsageError: no folder, or not a preset; PresetError: damaged, or of a newer version.
    """
    folder = Path(folder)
    for pause in RETRY_PAUSES:
        before = _folder_state(folder)
        try:
            return _read_once(folder)
        except (PresetError, UsageError):
            unchanged = before == _folder_state(folder)
            if unchanged and not (before is None and being_replaced(folder)):
                raise
        time.sleep(pause)
    recover_folder(folder)  # the process that was replacing it was killed
    return _read_once(folder)


def _folder_state(folder: Path) -> tuple[int, int] | None:
    """A value that differs after a folder was replaced; None if there is no folder now."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def being_replaced(folder: Path) -> bool:
    """Whether `zoo.files` has moved a previous folder of that name aside."""
    return any(folder.parent.glob(f".{folder.name}.*.old"))


def _read_once(folder: Path) -> "Preset":
    try:
        if not folder.is_dir():
            exists = folder.exists()
            kind = "is a file: unpack it, if it is an archive" if exists else "does not exist"
            raise UsageError(
                f"{folder} {kind}; a preset is a folder with {CONFIG}, {WEIGHTS}, {CARD}"
            )
        if not (folder / CONFIG).is_file():
            raise UsageError(
                f"{folder} is not a preset: it has no {CONFIG}. `zoo save` and `zoo.save` make"
                " presets"
            )
        size = (folder / CONFIG).stat().st_size
        if size > MAX_CONFIG_BYTES:
            raise UsageError(
                f"{folder} is not a preset: its {CONFIG} has {size:,} bytes, more than"
                f" {MAX_CONFIG_BYTES:,}"
            )
        record = parse((folder / CONFIG).read_bytes(), folder)
        raw = {name: read_file(folder / name, facts) for name, facts in record["files"].items()}
    except (OSError, ValueError) as error:  # ValueError: a path that cannot exist
        if isinstance(error, UsageError):
            raise
        raise PresetError(f"{folder} cannot be read: {one_line(error)}") from error
    loaded = from_files(folder, record, raw)
    cards.header(loaded.card, folder / CARD)
    return loaded


def from_files(folder: Path, record: dict[str, Any], files: dict[str, bytes]) -> Preset:
    """The `Preset` of a checked config.json and the bytes of its other files."""
    vocabularies = {name: raw for name, raw in files.items() if name not in (WEIGHTS, CARD)}
    try:
        card = cards.printable(files[CARD].decode())
    except UnicodeDecodeError as error:
        raise PresetError(f"{folder / CARD} is not UTF-8 text: {one_line(error)}") from error
    return Preset(folder, record, card, files[WEIGHTS], vocabularies)


def read_file(path: Path, facts: dict[str, Any]) -> bytes:
    """The bytes of a file of a preset.

    Args:
        path: path of the file.
        facts: its expected `size` and `sha256`.

    Raises PresetError if it is missing or differs from them.
    """
    if not path.is_file():
        raise PresetError(f"{path.parent} is incomplete: {path.name} is missing. Get it again")
    size = path.stat().st_size
    if size != facts["size"]:
        raise PresetError(
            f"{path} has {size:,} bytes instead of {facts['size']:,}: it is incomplete. Get it"
            " again"
        )
    raw = path.read_bytes()
    if sha256(raw) != facts["sha256"]:
        raise PresetError(
            f"{path} has the wrong hash: sha256 {sha256(raw)[:12]}... instead of"
            f" {facts['sha256'][:12]}...; it is damaged or was changed. Get it again"
        )
    return raw
