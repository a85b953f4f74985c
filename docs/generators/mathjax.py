"""MathJax as a part of the site: pages need no other host."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

SCRIPT = "tex-mml-chtml.js"
FONTS = "output/chtml/fonts/woff-v2"


def copy_mathjax(app: Any) -> None:
    """Copies what the pages need of MathJax 3 from the package `django-static-mathjax`."""
    if app.builder.format != "html":
        return
    spec = importlib.util.find_spec("mathjax")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("MathJax is missing: pip install '.[docs]'")
    source = Path(spec.submodule_search_locations[0]) / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    (target / FONTS).mkdir(parents=True, exist_ok=True)
    for file in (source / "es5" / SCRIPT, source / "LICENSE"):
        if file.exists():
            shutil.copy2(file, target)
    shutil.copytree(source / "es5" / FONTS, target / FONTS, dirs_exist_ok=True)
