"""Links of the site: files outside of docs, and public names in the text."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

from docs.generators.sources import ROOT, repository

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PUBLIC_NAME = re.compile(r"((?:zoo|blocks)\.[\w.]+)(\(.*\))?")


def resolve_outside_links(app: Any, docname: str, source: list[str]) -> None:
    """Links to files outside of docs lead to the repository; without its address, to the text."""
    folder = (Path(app.srcdir) / docname).parent

    def resolve(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or not path or not (folder / path).exists():
            return match[0]
        absolute = (folder / path).resolve()
        name = absolute.relative_to(ROOT).as_posix()
        if name.startswith("docs/"):
            return match[0]
        if name in PAGES:
            steps = "../" * docname.count("/")
            return f"[{text}]({steps}{PAGES[name]}{'#' + anchor if anchor else ''})"
        return f"[{text}]({repository()}/blob/main/{name})" if repository() else text

    source[0] = LINK.sub(resolve, source[0])


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
