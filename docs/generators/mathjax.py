"""MathJax as a part of the site: pages need no other host."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

PARTS = (
    "MathJax.js",
    "LICENSE",
    "config/TeX-AMS-MML_HTMLorMML-full.js",
    "extensions",
    "fonts/HTML-CSS/STIX-Web",
    "jax",
)


def copy_mathjax(app: Any) -> None:
    """Copies what the pages need of MathJax 2 from the package `jupyter_server_mathjax`."""
    if app.builder.format != "html":
        return
    spec = importlib.util.find_spec("jupyter_server_mathjax")
    if spec is None or spec.origin is None:
        raise RuntimeError("MathJax is missing: pip install '.[docs]'")
    source = Path(spec.origin).parent / "static"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        target_part = target / part
        if target_part.exists():
            continue
        target_part.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / part).is_dir() else shutil.copy2
        copy(source / part, target_part)
