"""config.json of a preset: its format, and the checks of its untrusted content.

It holds the model's name and arguments, size and SHA-256 of the other files, the model's golden
outputs on three examples, and as `digest` the SHA-256 of all that. No type, size or text in it is
trusted.
"""

import re
from pathlib import Path
from typing import Any

from zoo.errors import PresetError, UsageError, one_line
from zoo.files import digest
from zoo.presets import configuration, format_1, vocabulary_files

FORMAT = 2
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
CARD = "card.md"
DTYPES = ("float32", "float16", "int8")  # of stored weights, see `quantization`
MAX_CONFIG_BYTES = 2**23
MAX_CARD_BYTES = 2**20
MAX_WEIGHTS_BYTES = 2**31
MAX_VOCABULARIES = 8
MAX_NAME = 200  # characters


def parse(raw: bytes, where: str | Path) -> dict[str, Any]:
    """The checked content of a config.json, with today's names.

    Args:
        raw: its bytes.
        where: the preset, for error messages.

    Raises UsageError if it is not the config.json of a preset; PresetError if it was changed after
    it was written, or is of a newer version.
    """
    try:
        record = configuration.parse_json(raw)
        version = record["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{where} is not a preset: cannot read its {CONFIG} ({type(error).__name__}:"
            f" {one_line(error)}). `zoo save` makes a preset of a run"
        ) from error
    if type(version) is not int or not 1 <= version <= FORMAT:
        newer = type(version) is int and version > FORMAT
        made = ", made by a newer version of the zoo: upgrade it" if newer else ""
        raise PresetError(
            f"{where} has the format {version!r:.40}{made}; this version reads formats 1 to"
            f" {FORMAT}"
        )
    try:
        intact = record.get("digest") == digest(record)
    except (ValueError, RecursionError):  # infinite numbers, or too deep
        intact = False
    if not intact:
        raise PresetError(
            f"{where} is damaged or was changed: the digest in {CONFIG} does not match its content."
            " Get it again"
        )
    record = format_1.upgrade(record)
    check_fields(record, where)
    return record


def check_fields(record: dict[str, Any], where: str | Path) -> None:
    """Raises PresetError unless a config.json has all fields, each of its type and size."""
    types: dict[str, type] = dict.fromkeys(("name", "model", "dtype"), str)
    types |= {"config": dict, "files": dict, "parameters": int, "versions": dict}
    wrong = [key for key, kind in types.items() if type(record.get(key)) is not kind]
    if wrong:
        raise PresetError(f"{where} must have the fields {[*types]}, each of its type; got {wrong}")
    _check_files(record, where)
    package = record.get("package", {"name": "the-zoo", "version": "1"})
    if type(package) is not dict or set(package) != {"name", "version"}:
        raise PresetError(f"{where} must have name and version of its package, got {package!r:.80}")
    versions = record["versions"]
    for text in (record["name"], record["model"], *versions, *versions.values(), *package.values()):
        if type(text) is not str or not text.isprintable() or not 0 < len(text) <= MAX_NAME:
            raise PresetError(
                f"{where} must have names and versions of one printable line, got {text!r:.80}"
            )
    if record["dtype"] not in DTYPES:
        raise PresetError(
            f"{where} has weights of dtype {record['dtype']!r:.40}, expected one of {DTYPES}"
        )
    _check_sizes(record, where)


def _check_files(record: dict[str, Any], where: str | Path) -> None:
    """Raises PresetError unless all files have allowed names, and a size and hash each."""
    try:
        vocabularies = vocabulary_files.file_names(record["config"])
    except ValueError as error:
        raise PresetError(f"{where}: {one_line(error)}") from error
    expected = {WEIGHTS, CARD} | vocabularies
    if set(record["files"]) != expected or len(vocabularies) > MAX_VOCABULARIES:
        raise PresetError(
            f"{where} must list the files {sorted(expected)!s:.200}, got"
            f" {str([*record['files']])[:200]}"
        )
    for facts in record["files"].values():
        hashed: Any = type(facts) is dict and set(facts) == {"sha256", "size"}
        hashed = hashed and re.fullmatch("[0-9a-f]{64}", str(facts["sha256"]))
        if not hashed or type(facts["size"]) is not int or facts["size"] < 0:
            raise PresetError(f"{where} must have sha256 and size of each file, got {facts!r:.80}")


def _check_sizes(record: dict[str, Any], where: str | Path) -> None:
    """Raises PresetError if a file is too large, or too large or small for the parameters."""
    parameters = record["parameters"]
    size = record["files"][WEIGHTS]["size"]
    most = min(MAX_WEIGHTS_BYTES, 6 * max(parameters, 0) + 2**24)
    least = {"float32": 2, "float16": 2, "int8": 1 / 16}[record["dtype"]] * parameters - 2**20
    if parameters < 0 or not least <= size <= most:
        raise PresetError(
            f"{where} lists {parameters:,} parameters as {record['dtype']} in {size:,} bytes: these"
            f" do not match, or are more than {MAX_WEIGHTS_BYTES:,} bytes"
        )
    limits = dict.fromkeys(record["files"], vocabulary_files.MAX_BYTES)
    limits |= {CARD: MAX_CARD_BYTES, WEIGHTS: MAX_WEIGHTS_BYTES}
    for name, limit in limits.items():
        if record["files"][name]["size"] > limit:
            raise PresetError(f"{where} lists a {name} of more than {limit:,} bytes")
