"""Tutorials are notebooks: each page offers its notebook as a file for Jupyter."""

from pathlib import Path
from typing import Any

FOLDER = "tutorials"


def _is_notebook(docname: str) -> bool:
    return docname.startswith(f"{FOLDER}/") and not docname.endswith("index")


def add_download(app: Any, docname: str, source: list[str]) -> None:
    """Adds a line with the download below the title of a tutorial."""
    if not _is_notebook(docname):
        return
    name = Path(docname).name
    title, end, rest = source[0].partition("\n\n# ")[2].partition("\n")
    head = source[0].partition("\n\n# ")[0]
    line = f'<a href="{name}.ipynb" download>Download this page as a notebook</a>'
    source[0] = f"{head}\n\n# {title}{end}\n{line}\n{rest}"


def write_notebooks(app: Any, error: Exception | None) -> None:
    """Writes the tutorials as .ipynb files, without outputs, beside their pages."""
    if error is not None or app.builder.format != "html":
        return
    import nbformat
    from myst_nb.core.read import read_myst_markdown_notebook

    for path in sorted((Path(app.srcdir) / FOLDER).glob("*.md")):
        if _is_notebook(f"{FOLDER}/{path.stem}"):
            notebook = read_myst_markdown_notebook(path.read_text())
            nbformat.write(notebook, Path(app.outdir) / FOLDER / f"{path.stem}.ipynb")
