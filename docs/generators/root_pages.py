"""The change log and the guide for contributors, which lie outside of docs, as pages."""

from docs.generators.links import LINK, outside_link
from docs.generators.sources import ROOT

PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}


def pages() -> dict[str, str]:
    """The pages `changelog` and `contributing`."""
    folder = ROOT / "docs" / "generated"
    return {
        name: LINK.sub(lambda match: outside_link(match, ROOT, folder), (ROOT / file).read_text())
        for name, file in PAGES.items()
    }
