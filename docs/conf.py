"""Configuration of the site: `make docs` builds it, without a warning, into docs/_build/html."""

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT)]

project_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
project = "the zoo"
author = project_data["authors"][0]["name"]
copyright = author
version = release = project_data["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "docs.generators.extension",
]
exclude_patterns = ["_build", "generators", "generated/commands.md"]
suppress_warnings = ["misc.highlighting_failure"]  # lines that are shortened with "..."

# Pages: Markdown; those in docs/tutorials are notebooks, which the build runs.
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
myst_update_mathjax = False
nb_execution_in_temp = True  # their runs and files are not left in docs
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # messages of TensorFlow
nb_render_text_lexer = "text"
nb_ipywidgets_js = {}  # no script from another host

# Reference: signatures with hints; Google's style of docstrings; `code` in single backticks.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
default_role = "literal"

# The step of each model beside its equations: MathJax, served with the site.
mathjax_path = "mathjax/tex-mml-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}

smartquotes = False  # "--" is an option, not a dash

html_theme = "furo"
html_title = f"the zoo {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#24587f", "color-brand-content": "#24587f"},
    "dark_css_variables": {"color-brand-primary": "#88ccee", "color-brand-content": "#88ccee"},
}
copybutton_exclude = ".linenos, .gp, .go"
