"""The Sphinx extension of the site: writes the generated pages, and connects the events.

A generator is a module with `pages() -> {name: text}`. Its pages are written to docs/generated at
the start of a build. Files that did not change are left alone, so that Sphinx reads only what is
new.
"""

from pathlib import Path
from typing import Any

from docs.generators import (
    api,
    commands,
    docstrings,
    gallery,
    guarantees,
    links,
    mathjax,
    models,
    notebooks,
    paper,
    root_pages,
)

GENERATED = Path(__file__).parents[1] / "generated"
GENERATORS = (api, commands, gallery, guarantees, models, paper, root_pages)


def write_pages(app: Any) -> None:
    """Writes all generated pages, and removes those that no generator makes."""
    pages = {
        GENERATED / f"{name}.md": text
        for generator in GENERATORS
        for name, text in generator.pages().items()
    }
    for path in GENERATED.glob("**/*.md"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """Connects the generators with the events of a build."""
    app.connect("builder-inited", write_pages)
    app.connect("builder-inited", mathjax.copy_mathjax)
    app.connect("source-read", links.resolve_outside_links)
    app.connect("autodoc-process-docstring", docstrings.markdown_to_rst, priority=400)
    app.connect("autodoc-skip-member", docstrings.skip_foreign)
    app.connect("doctree-resolved", links.link_public_names)
    app.connect("source-read", notebooks.add_download)
    app.connect("build-finished", notebooks.write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
