"""Links of the site: files outside of docs, and public names in the text."""

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

from docs.generators.sources import ROOT, repository

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
ROOT_PAGES = {
    "CONTRIBUTING.md": "docs/generated/contributing.md",
    "CHANGELOG.md": "docs/generated/changelog.md",
}
PUBLIC_NAME = re.compile(r"((?:zoo|blocks)\.[\w.]+)(\(.*\))?")


def resolve_outside_links(app: Any, docname: str, source: list[str]) -> None:
    """Links of a page to files outside of docs, see `outside_link`."""
    folder = (Path(app.srcdir) / docname).parent
    source[0] = LINK.sub(lambda match: outside_link(match, folder, folder), source[0])


def outside_link(match: re.Match[str], folder: Path, page_folder: Path) -> str:
    """A link as it is right for a page of the site.

    Files outside of docs are linked in the repository; without its address, only named.

    Args:
        match: of `LINK`.
        folder: the folder that the link is relative to.
        page_folder: the folder of the page.
    """
    text, target = match.groups()
    path, _, anchor = target.partition("#")
    if "://" in target or not path or not (folder / path).exists():
        return match[0]
    name = (folder / path).resolve().relative_to(ROOT).as_posix()
    name = ROOT_PAGES.get(name, name)
    if not name.startswith("docs/"):
        return f"[{text}]({repository()}/blob/main/{name})" if repository() else text
    relative = os.path.relpath(ROOT / name, page_folder)
    return f"[{text}]({relative}{'#' + anchor if anchor else ''})"


def link_public_names(app: Any, doctree: nodes.document, docname: str) -> None:
    """Code in the text that names a public object, such as `zoo.Trainer(...)`, links to it."""
    domain = app.env.domains.python_domain
    for literal in list(doctree.findall(nodes.literal)):
        match = PUBLIC_NAME.fullmatch(literal.astext())
        if not match or isinstance(literal.parent, nodes.reference | nodes.title):
            continue
        entry = domain.objects.get(match[1])
        if entry is None or entry.docname == docname:
            continue
        reference = make_refnode(
            app.builder, docname, entry.docname, entry.node_id, literal.deepcopy(), match[1]
        )
        literal.replace_self(reference)
