"""The API reference: one page for each public module, from its docstrings and hints."""

import ast

from docs.generators.sources import ROOT, parse, path_of

# Page -> (title, modules whose public names it shows).
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "zoo": ("zoo: models by name", ("zoo.factory", "zoo.registry")),
    "model": (
        "zoo.Model and its subclasses",
        (
            "zoo.model",
            "zoo.model.kind",
            "zoo.model.image_translator",
            "zoo.model.recommender",
            "zoo.model.stylizer",
            "zoo.generation.diffusion_model",
            "zoo.generation.language_model",
            "zoo.generation.sequence_generator",
            "zoo.generation.translator",
            "zoo.generation.captioner",
            "zoo.model.method_arguments",
        ),
    ),
    "trainer": (
        "zoo.Trainer and runs",
        ("zoo.training.trainer", "zoo.training.run_config", "zoo.recipes.loading"),
    ),
    "optimizers": ("zoo.optimizers and zoo.threads", ("zoo.optimizers", "zoo.threads")),
    "data": (
        "zoo.data",
        (
            "zoo.data",
            "zoo.data.array_dataset",
            "zoo.data.text_dataset",
            "zoo.data.stream_config",
            "zoo.data.text_config",
            "zoo.data.caption_config",
            "zoo.data.corpora",
            "zoo.data.image_features",
            "zoo.data.builders.snowflakes",
            "zoo.data.builders.dates",
            "zoo.data.builders.shapes",
            "zoo.data.builders.ratings",
        ),
    ),
    "text": ("zoo.text and zoo.music", ("zoo.text", "zoo.music")),
    "decoding": ("Decoding", ("zoo.generation.decoding", "zoo.generation.decoding_result")),
    "metrics": ("zoo.metrics", ("zoo.metrics",)),
    "figures": ("zoo.figures", ("zoo.figures",)),
    "inspection": ("zoo.inspection", ("zoo.inspection",)),
    "finetuning": (
        "zoo.finetuning",
        ("zoo.finetuning", "zoo.finetuning.weight_transfer", "zoo.finetuning.features"),
    ),
    "presets": (
        "Presets and export",
        ("zoo.presets", "zoo.presets.saving", "zoo.saved_model"),
    ),
    "recipes": (
        "zoo.recipes",
        ("zoo.recipes", "zoo.recipes.recipe", "zoo.recipes.records", "zoo.recipes.run"),
    ),
    "testing": ("zoo.testing", ("zoo.testing", "zoo.testing.conformance")),
    "errors": ("zoo.errors", ("zoo.errors",)),
}


def pages() -> dict[str, str]:
    """The pages `api/NAME`, for the modules of `zoo`, for the models and for `blocks`."""
    tables = dict(PAGES)
    for path in sorted(ROOT.glob("blocks/*.py")):
        if path.stem not in ("__init__", "checks"):
            tables[f"blocks.{path.stem}"] = (f"blocks.{path.stem}", (f"blocks.{path.stem}",))
    for path in sorted(ROOT.glob("zoo/models/*.py")):
        if path.stem != "__init__":
            module = f"zoo.models.{path.stem}"
            tables[f"models.{path.stem}"] = (module, (module,))
    texts = {f"api/{name}": _page(title, modules) for name, (title, modules) in tables.items()}
    texts["api/index"] = "\n".join(
        [
            "# API reference\n",
            "From the docstrings and type hints of the source. `import zoo` imports no TensorFlow;"
            " names are imported on first use.\n",
            _toctree("The library", PAGES),
            _toctree("Blocks", [name for name in tables if name.startswith("blocks.")]),
            _toctree("Models", [name for name in tables if name.startswith("models.")]),
        ]
    )
    return texts


def _toctree(caption: str, names: object) -> str:
    lines = "\n".join(names)
    return f"## {caption}\n\n```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```\n"


def _page(title: str, modules: tuple[str, ...]) -> str:
    parts = [f"# {title}\n"]
    for module in modules:
        names = public_names(module)
        if len(modules) > 1:
            parts.append(f"## {module}\n")
        parts.append(_automodule(module, names))
    return "\n".join(parts)


def _automodule(module: str, names: list[str]) -> str:
    options = [":members:" + (f" {', '.join(names)}" if names else "")]
    options += [":show-inheritance:", ":imported-members:" if _has_all(module) else ""]
    body = "\n".join(f"   {option}" for option in options if option)
    return f"```{{eval-rst}}\n.. automodule:: {module}\n{body}\n```\n"


def _has_all(module: str) -> bool:
    return any(_is_all(node) for node in parse(path_of(module)).body)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def public_names(module: str) -> list[str]:
    """The functions and classes of a module's `__all__`, or those that it defines in public."""
    body = parse(path_of(module)).body
    for node in body:
        if _is_all(node) and isinstance(node, ast.Assign):
            return list(ast.literal_eval(node.value))
    return [
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
