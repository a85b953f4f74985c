"""Cards: what a person must know of a preset, as Markdown under a header that hubs read."""

import re

from zoo.errors import PresetError, UnknownName, UsageError

FACTS = {
    "license": "of the weights, as the hub writes it: apache-2.0, cc-by-sa-4.0, ...",
    "title": "one line for people",
    "data": "what it was trained on",
    "data_license": "and under which licence that is",
    "recipe": "how it was made: a command",
    "numbers": "rows (metric, value, 95 % interval, unit, protocol)",
    "references": "lines about published numbers",
    "limits": "what a reader must know",
}


def header(text, where="the card"):
    """The `key: value` lines between the first two `---`; raises PresetError without a licence."""
    found = re.match(r"---\s*\n(.*?)\n---\s*\n", text, re.DOTALL)
    pairs = re.findall(r"^(\w+):[ \t]*(.*?)[ \t]*$", found[1] if found else "", re.MULTILINE)
    facts = {key: value for key, value in pairs if value}
    if "license" not in facts:
        raise PresetError(
            f"{where} names no licence, so nobody may use the preset: begin it with a header that"
            " has `license: NAME` between two lines of `---`"
        )
    return facts


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
            raise UnknownName("fact of a card", key, FACTS)
    if not card.get("license"):
        raise UsageError("a card needs a license, as in card={'license': 'apache-2.0'}")


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
    head = {"license": card["license"], "library_name": "the-zoo", "data": card.get("data")}
    lines = ["---", *(f"{key}: {value}" for key, value in head.items() if value), "---"]
    lines += [f"# {name}", ""]
    if card.get("title"):
        lines += [f"{card['title']}.", ""]
    lines += ["| | |", "| --- | --- |", f"| architecture | `{model}` |"]
    rows = {
        "data": card.get("data"),
        "licence of the data": card.get("data_license"),
        "made by": card.get("recipe") and f"`{card['recipe']}`",
        "weights": weights,
        "licence of the weights": card["license"],
    }
    lines += [f"| {key} | {value} |" for key, value in rows.items() if value]
    if card.get("numbers"):
        lines += ["", "## Numbers", "", "| metric | value | 95 % interval | unit | protocol |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in card["numbers"]]
    for line in card.get("references", ()):
        lines += ["", line]
    lines += ["", "## Use", "", "```python", "import zoo", ""]
    lines += [f'model = zoo.get("{name}", pretrained=True)', "```"]
    if card.get("limits"):
        lines += ["", "## Limits", "", card["limits"]]
    return "\n".join(lines) + "\n"
