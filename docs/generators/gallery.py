"""The gallery: every figure of docs/figures with the command that makes it."""

from benchmarks.results_page import FIGURES as CAPTIONS
from docs.generators.sources import ROOT
from zoo import recipes

FOLDER = ROOT / "docs" / "figures"
HEAD = """\
# Gallery

Each figure with the command that makes it. Every run also writes its figures after each epoch, to
`runs/NAME/figures`.
"""
# Figures that `python -m benchmarks.result_figures` does not make: file -> (caption, command).
OTHERS = {
    "snowflakes.png": (
        "Samples from a VAE trained on snow crystals that were simulated with a cellular"
        " automaton.",
        "make demo",
    ),
    "style.jpg": (CAPTIONS["style.jpg"], "python -m benchmarks.style_transfer"),
    "style_losses.png": (CAPTIONS["style_losses.png"], "python -m benchmarks.style_transfer"),
}

# Headings of figures that are not those of one recipe.
HEADINGS = {
    "snowflakes": "Snow crystals",
    "gated": "Digits: a standard and a learned prior",
    "kmnist_d2": "Kuzushiji: a standard and a learned prior",
    "mnist_d2": "Digits: codes of two numbers",
    "mmd": "Digits: an MMD-VAE beside a VAE",
    "finetuning": "Fine-tuning beside training from scratch",
    "style": "Style transfer",
    "style_losses": "Style transfer: the losses",
}


def heading(stem: str) -> str:
    """The heading of a figure: that of the table, or the title and name of its recipe."""
    recipe_names = {name.replace(".", "_"): name for name in recipes.names()}
    if stem in HEADINGS:
        return HEADINGS[stem]
    recipe = recipes.get(recipe_names[stem])
    return f"{recipe.title}: `{recipe.name}`"


def entries() -> dict[str, tuple[str, str]]:
    """File name -> (caption, command), for every figure, in the order of the results page."""
    made = {
        path.name: (
            CAPTIONS.get(path.name, path.stem.replace("_", " ").capitalize() + "."),
            f"python -m benchmarks.result_figures {path.stem}",
        )
        for path in sorted(FOLDER.iterdir())
        if path.suffix in (".png", ".jpg", ".gif")
    }
    made |= {name: entry for name, entry in OTHERS.items() if name in made}
    order = ["snowflakes.png", *CAPTIONS]
    return {name: made[name] for name in [*order, *made] if name in made}


def pages() -> dict[str, str]:
    """The page `gallery`."""
    parts = [HEAD]
    for name, (caption, command) in entries().items():
        parts.append(
            f"## {heading(name.partition('.')[0])}\n\n"
            f"![{caption}](../figures/{name})\n\n{caption}\n\n```bash\n{command}\n```\n"
        )
    return {"gallery": "\n".join(parts)}
