"""The API reference: one page for each public module, from its docstrings and hints."""

import ast
import functools

from docs.generators.sources import ROOT, parse, path_of

WITH_BASES = ("blocks", "zoo.errors", "zoo.generation", "zoo.model")  # whose base classes matter

# Page -> (title, modules whose public names it shows; after a colon, only one of them).
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "zoo": ("zoo: models by name", ("zoo.factory", "zoo.registry:register")),
    "model": (
        "zoo.Model and its subclasses",
        (
            "zoo.model:Model",
            "zoo.model.kind",
            "zoo.model.image_translator",
            "zoo.model.recommender",
            "zoo.model.stylizer",
            "zoo.generation.diffusion_model",
            "zoo.generation.language_model",
            "zoo.generation.sequence_generator",
            "zoo.generation.translator",
            "zoo.generation.captioner",
            "zoo.model.method_arguments:checked_method",
        ),
    ),
    "trainer": (
        "zoo.Trainer and runs",
        ("zoo.training.trainer", "zoo.training.run_config", "zoo.recipes.loading:load"),
    ),
    "optimizers": (
        "zoo.optimizers and zoo.threads",
        (
            "zoo.optimizers:Adam,AdamW,AveragingAdam,WarmUp,InverseSquareRoot",
            "zoo.threads:configure",
        ),
    ),
    "data": (
        "zoo.data",
        (
            "zoo.data",
            "zoo.data.array_dataset:ArrayDataset",
            "zoo.data.text_dataset",
            "zoo.data.stream_config:StreamConfig",
            "zoo.data.text_config:TextConfig",
            "zoo.data.caption_config",
            "zoo.data.corpora:Corpus,load_pairs,load_captions,with_mirror_images",
            "zoo.data.image_features",
            "zoo.data.builders.snowflakes:generate,growth_parameters",
            "zoo.data.builders.dates:generate",
            "zoo.data.builders.shapes:generate",
            "zoo.data.builders.ratings:generate,load",
        ),
    ),
    "text": ("zoo.text and zoo.music", ("zoo.text", "zoo.music")),
    "decoding": ("Decoding", ("zoo.generation.decoding",)),
    "metrics": ("zoo.metrics", ("zoo.metrics",)),
    "figures": ("zoo.figures", ("zoo.figures",)),
    "inspection": ("zoo.inspection", ("zoo.inspection",)),
    "finetuning": (
        "zoo.finetuning",
        (
            "zoo.finetuning",
            "zoo.finetuning.weight_transfer:TransferReport",
            "zoo.finetuning.features:feature_extractor",
        ),
    ),
    "presets": ("Presets and export", ("zoo.presets", "zoo.saved_model:export")),
    "recipes": (
        "zoo.recipes",
        ("zoo.recipes", "zoo.recipes.records", "zoo.recipes.run:reproduce"),
    ),
    "testing": ("zoo.testing", ("zoo.testing",)),
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
    for entry in modules:
        module, _, only = entry.partition(":")
        names = only.split(",") if only else public_names(module)
        if len(modules) > 1:
            parts.append(f"## {module}\n")
        parts.append(_automodule(module, names))
    return "\n".join(parts)


def _automodule(module: str, names: list[str]) -> str:
    """The docstring of a module, then its public names as a user writes them."""
    lines = [f".. automodule:: {module}", ""]
    for name in names:
        shown = f"zoo.{name}" if zoo_exports().get(name) == module else f"{module}.{name}"
        if name.isupper():
            lines.append(f".. py:data:: {shown}")
        elif name[0].isupper():
            lines += [f".. autoclass:: {shown}", "   :members:"]
            lines += ["   :show-inheritance:"] if module.startswith(WITH_BASES) else []
        else:
            lines.append(f".. autofunction:: {shown}")
        lines.append("")
    body = "\n".join(lines)
    return f"```{{eval-rst}}\n{body}```\n"


@functools.cache
def zoo_exports() -> dict[str, str | None]:
    """The public names of `zoo` -> the module that defines each."""
    exports: dict[str, str | None] = {}
    for node in parse(ROOT / "zoo" / "__init__.py").body:
        if isinstance(node, ast.ImportFrom) and node.module != "zoo":
            exports |= {alias.name: node.module for alias in node.names}
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_LAZY":
            exports |= ast.literal_eval(node.value)
    return exports


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def public_names(module: str) -> list[str]:
    """The functions and classes of a module's `__all__`, or those that it defines in public."""
    body = parse(path_of(module)).body
    for node in body:
        if _is_all(node) and isinstance(node, ast.Assign):
            hidden = _names_for_type_checkers(body)
            return [name for name in ast.literal_eval(node.value) if name not in hidden]
    return [
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def _names_for_type_checkers(body: list[ast.stmt]) -> set[str]:
    """The names that a module imports lazily, and under TYPE_CHECKING."""
    return {
        alias.name
        for block in body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
