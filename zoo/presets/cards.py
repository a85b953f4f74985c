"""Cards: what a person must know of a preset, as Markdown under a YAML header that hubs read."""

import html
import json
import re

from zoo.errors import PresetError, UnknownNameError, UsageError

FACTS = {
    "license": "of the weights, as the hub writes it: apache-2.0, cc-by-sa-4.0, other, ...",
    "license_name": "its own name, where `license` is other",
    "license_link": "where it can be read",
    "title": "one line for people",
    "data": "what it was trained on",
    "data_license": "and under which licence that is",
    "recipe": "how it was made: a command",
    "numbers": "rows (metric, value, 95 % interval, unit, protocol)",
    "references": "lines about published numbers",
    "limits": "what a reader must know",
}
LINES = ("license", "license_name", "license_link", "title", "data", "data_license", "recipe")
HEADER = 100  # lines at most
PLAIN = re.compile(r"[A-Za-z][\w.+-]*( [A-Za-z][\w.+-]*| [a-z]+\[[\w:%]*\])*")  # as it is in YAML
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # which mean something there


def header(text, where="the card"):
    """The `key: value` lines between the first two `---`; raises PresetError without a licence."""
    lines = [line.rstrip() for line in text.splitlines()[:HEADER]]
    end = lines.index("---", 1) if lines[:1] == ["---"] and "---" in lines[1:] else 0
    pairs = [re.match(r"(\w+):[ \t]*(.*)", line) for line in lines[1:end]]
    facts = {pair[1]: scalar(pair[2]) for pair in pairs if pair and pair[2]}
    if not facts.get("license"):
        raise PresetError(
            f"{where} names no licence, so nobody may use the preset: begin it with a header that"
            " has `license: NAME` between two lines of `---`"
        )
    return facts


def scalar(text):
    """A YAML scalar of one line as text."""
    if text[0] == text[-1] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    try:
        value = json.loads(text) if text[0] == '"' else text
    except ValueError:
        return text
    return printable(value)


def yaml(value):
    """A text as a YAML scalar: plain where that is safe, else in the quotes that JSON has, too."""
    plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def printable(text):
    """A stranger's text without what a terminal would obey; lines stay lines."""
    text = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def check(card):
    """Raises UsageError unless a card, a text or a dict of `FACTS`, has all that it must have."""
    if isinstance(card, str):
        try:
            header(card)
        except PresetError as error:
            raise UsageError(str(error)) from error
        return
    if not isinstance(card, dict):
        raise UsageError(f"a card is a text or a dict of {[*FACTS]}, got {card!r:.60}")
    for key in card:
        if key not in FACTS:
            raise UnknownNameError("fact of a card", key, FACTS)
    if not card.get("license"):
        raise UsageError("a card needs a license, as in card={'license': 'apache-2.0'}")
    for key in LINES:
        value = card.get(key)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise UsageError(f"{key} of a card must be a text of one line, got {value!r:.60}")


def written(card, name, model, weights):
    """The text of a card; a text is left as it is.

    Args:
        card: as in `zoo.save`.
        name: of the preset.
        model: the registered name of the architecture.
        weights: a line about them: how many, bytes, hash.
    """
    if isinstance(card, str):
        return card
    head = {key: card.get(key) for key in ("license", "license_name", "license_link")}
    head |= {"library_name": "the-zoo", "data": card.get("data")}
    lines = ["---", *(f"{key}: {yaml(value)}" for key, value in head.items() if value), "---"]
    lines += [f"# {escaped(name)}", ""]
    if card.get("title"):
        lines += [f"{escaped(card['title'])}.", ""]
    lines += ["| | |", "| --- | --- |", f"| architecture | `{model}` |"]
    rows = {
        "data": card.get("data") and cell(card["data"]),
        "licence of the data": card.get("data_license") and cell(card["data_license"]),
        "made by": card.get("recipe") and f"`{code(card['recipe'])}`",
        "weights": weights,
        "licence of the weights": cell(card.get("license_name") or card["license"]),
    }
    lines += [f"| {key} | {value} |" for key, value in rows.items() if value]
    if card.get("numbers"):
        lines += ["", "## Numbers", "", "| metric | value | 95 % interval | unit | protocol |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(map(cell, row)) + " |" for row in card["numbers"]]
    for line in card.get("references", ()):
        lines += ["", escaped(line)]
    lines += ["", "## Use", "", "```python", "import zoo", ""]
    lines += [f"model = zoo.get({json.dumps(name, ensure_ascii=False)}, pretrained=True)", "```"]
    if card.get("limits"):
        lines += ["", "## Limits", "", escaped(card["limits"])]
    return "\n".join(lines) + "\n"


def escaped(text):
    """Text as Markdown that brings no HTML along."""
    return html.escape(str(text), quote=False)


def cell(text):
    """Text as a cell of a Markdown table."""
    return escaped(" ".join(str(text).split())).replace("|", "\\|")


def code(text):
    """Text between backticks in a cell of a Markdown table."""
    return text.replace("`", "'").replace("|", "\\|")
