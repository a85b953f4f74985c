"""Cards: what a person must know about a preset, as Markdown with a YAML header for hubs."""

import html
import json
import re
from typing import Any

from zoo.errors import PresetError, UnknownNameError, UsageError

FIELDS = {  # of a card that is given as a dict, and their meaning
    "license": "license of the weights, as named on the hub: apache-2.0, cc-by-sa-4.0, other, ...",
    "license_name": "name of the license, if `license` is other",
    "license_link": "address of its text",
    "title": "a one-line title",
    "data": "training data",
    "data_license": "license of the training data",
    "recipe": "command that trained it",
    "results": "rows (metric, value, 95 % interval, unit, protocol)",
    "references": "lines about published numbers",
    "limitations": "what a user must know",
}
ONE_LINE_FIELDS = (
    "license",
    "license_name",
    "license_link",
    "title",
    "data",
    "data_license",
    "recipe",
)
MAX_HEADER_LINES = 100
# Texts that YAML reads as they are, without quotes.
PLAIN_YAML = re.compile(r"[A-Za-z][\w.+-]*( [A-Za-z][\w.+-]*| [a-z]+\[[\w:%]*\])*")
YAML_KEYWORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def header(text: str, where: Any = "the card") -> dict[str, str]:
    """The `key: value` lines between the first two `---` of a card.

    Args:
        text: text of the card.
        where: its file, for error messages.

    Raises PresetError if it has no license.
    """
    lines = [line.rstrip() for line in text.splitlines()[:MAX_HEADER_LINES]]
    end = lines.index("---", 1) if lines[:1] == ["---"] and "---" in lines[1:] else 0
    pairs = [re.match(r"(\w+):[ \t]*(.*)", line) for line in lines[1:end]]
    facts = {pair[1]: _parse_scalar(pair[2]) for pair in pairs if pair and pair[2]}
    if not facts.get("license"):
        raise PresetError(
            f"{where} has no license, so nobody may use the preset: start the file with a header"
            " that has `license: NAME` between two lines of `---`"
        )
    return facts


def _parse_scalar(text: str) -> str:
    """The text that a YAML scalar of one line stands for."""
    if text[0] == text[-1] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    try:
        value = json.loads(text) if text[0] == '"' else text
    except ValueError:
        return text
    return printable(value)


def _to_yaml(value: str) -> str:
    """A text as a YAML scalar: plain where that is safe, else quoted as in JSON."""
    plain = PLAIN_YAML.fullmatch(value) and value.lower() not in YAML_KEYWORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def printable(text: str) -> str:
    """An untrusted text without control characters for terminals; keeps lines and tabs."""
    text = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def check(card: str | dict[str, Any]) -> None:
    """Raises UsageError unless a card, a text or a dict of `FIELDS`, is complete and valid."""
    if isinstance(card, str):
        try:
            header(card)
        except PresetError as error:
            raise UsageError(str(error)) from error
        return
    if not isinstance(card, dict):
        raise UsageError(f"a card must be a text or a dict of {[*FIELDS]}, got {card!r:.60}")
    for key in card:
        if key not in FIELDS:
            raise UnknownNameError("field of a card", key, FIELDS)
    if not card.get("license"):
        raise UsageError("a card needs a license, as in card={'license': 'apache-2.0'}")
    for key in ONE_LINE_FIELDS:
        value = card.get(key)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise UsageError(f"{key} of a card must be a text of one line, got {value!r:.60}")


def render(
    card: str | dict[str, Any],
    name: str,
    model: str,
    weights: str,
    *,
    shipped: bool = False,
    package: str | None = None,
) -> str:
    """The text of a card; a text is returned unchanged.

    Args:
        card: as in `zoo.save`.
        name: name of the preset.
        model: the registered name of the architecture.
        weights: a line about them: number, bytes, hash.
        shipped: whether it is a preset of this package, which its name loads.
        package: the distribution that has the architecture; None: this one.
    """
    if isinstance(card, str):
        return card
    head = {key: card.get(key) for key in ("license", "license_name", "license_link")}
    head |= {"library_name": "the-zoo", "data": card.get("data")}
    lines = ["---", *(f"{key}: {_to_yaml(value)}" for key, value in head.items() if value), "---"]
    lines += [f"# {_escape(name)}", ""]
    if card.get("title"):
        lines += [f"{_escape(card['title'])}.", ""]
    lines += ["| | |", "| --- | --- |", f"| architecture | `{model}` |"]
    rows = {
        "data": card.get("data") and _table_cell(card["data"]),
        "license of the data": card.get("data_license") and _table_cell(card["data_license"]),
        "made by": card.get("recipe") and f"`{_table_code(card['recipe'])}`",
        "package": package and f"`pip install {_table_code(package)}`",
        "weights": weights,
        "license of the weights": _table_cell(card.get("license_name") or card["license"]),
    }
    lines += [f"| {key} | {value} |" for key, value in rows.items() if value]
    if card.get("results"):
        lines += ["", "## Results", "", "| metric | value | 95 % interval | unit | protocol |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(map(_table_cell, row)) + " |" for row in card["results"]]
    for line in card.get("references", ()):
        lines += ["", _escape(line)]
    lines += ["", "## Use", "", "```python", "import zoo", ""]
    source = json.dumps(name if shipped else f"./{name}", ensure_ascii=False)
    lines += [f"model = zoo.get({source}, pretrained=True)", "```"]
    if not shipped:
        lines += [
            "",
            "The argument is the path of this folder; after an upload, `hf://OWNER/NAME`.",
        ]
    if card.get("limitations"):
        lines += ["", "## Limitations", "", _escape(card["limitations"])]
    return "\n".join(lines) + "\n"


def _escape(text: Any) -> str:
    """Text as Markdown without HTML."""
    return html.escape(str(text), quote=False)


def _table_cell(text: Any) -> str:
    """Text as a cell of a Markdown table."""
    return _escape(" ".join(str(text).split())).replace("|", "\\|")


def _table_code(text: str) -> str:
    """Text between backticks in a cell of a Markdown table."""
    return text.replace("`", "'").replace("|", "\\|")
