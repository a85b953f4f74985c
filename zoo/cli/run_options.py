"""From the options of `zoo train`, or from a file, to the description of a run."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from zoo import former_arguments, recipes, registry
from zoo.cli import evaluation_data
from zoo.cli.options import explicit_options
from zoo.cli.overrides import parse_overrides
from zoo.cli.terminal import import_tensorflow
from zoo.data import source_names
from zoo.data.caption_config import CaptionConfig
from zoo.data.stream_config import StreamConfig
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError, one_line
from zoo.recipes import loading
from zoo.training import run_folder
from zoo.training.run_config import RunConfig

DATA_OPTIONS = (  # of `zoo train`; `Model.data_options` lists those that apply
    *("binarize", "augment", "image_size", "languages", "tokenizer", "vocabulary_size"),
    *("lowercase", "max_length", "truncate", "column", "min_count", "network", "mirrored"),
)
NONE = "none"  # on the command line: no split


def _defaults(cls: Any) -> dict[str, Any]:
    return {each.name: each.default for each in fields(cls)}


FIELDS = _defaults(RunConfig)
TEXT_FIELDS = _defaults(StreamConfig) | _defaults(CaptionConfig) | _defaults(TextConfig)


def config_from_options(
    name: str | None,
    file: Path | None = None,
    overrides: Iterable[str] = (),
    **options: Any,
) -> RunConfig:
    """The `RunConfig` that options describe; checks everything that needs no data.

    Args:
        name: a model's name; None: that of the file.
        file: the description of a run, see `read_config`; options override its fields.
        overrides: "key=value" for arguments of the model.
        **options: the options that were written: fields of `RunConfig` and of `TextConfig`.

    Raises UsageError.
    """
    base = read_config(file) if file else {}
    name = name or base.get("model")
    if name is None:
        raise UsageError("give the name of a model, as in zoo train vae, or --config FILE")
    check_model_name(name)
    if base.get("model", name) != name:
        raise UsageError(f"{file} describes a run of {base['model']}, got {name}: leave one out")
    import_tensorflow()
    cls = registry.get_class(name)
    texts = base.pop("text_config", None) or {}
    values: dict[str, Any] = base | texts | options | {"model": name}
    _check_applicable(name, values)
    data = values.get("data") or cls.default_dataset
    values["data"] = data = source_names.absolute_source(data)
    values["config"] = base.get("config", {}) | parse_overrides(name, overrides)
    if values.get("steps") is not None and values.get("epochs") is not None:
        if {"steps", "epochs"} <= options.keys():
            raise UsageError("use either --epochs or --steps")
        values.pop("epochs" if "steps" in options else "steps")
    if values.get("steps") is None:
        values["epochs"] = 10 if values.get("epochs") is None else values["epochs"]
    if hasattr(cls, "config_class"):
        values = _with_text_config(cls, values)
    if values.get("test") is None:
        split = values.get("train", "train")
        values["test"] = evaluation_data.default_test_split(data, split, cls, values)
    if "valid" not in base or "valid" in options:
        values["valid"] = values.get("valid", values["test"])
    if values["valid"] == NONE:
        values["valid"] = None
    if values.get("micro_batches") is None:
        values["micro_batches"] = _default_micro_batches(name, values)
    return RunConfig(**{key: values[key] for key in FIELDS.keys() & values.keys()})


def _with_text_config(cls: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The values with their `text_config`; its defaults depend on the data."""
    names = _defaults(cls.config_class)
    texts = {key: value for key, value in values.items() if key in names}
    if "max_length" in names:
        texts.setdefault("max_length", TextConfig.max_length)
    texts.setdefault("tokenizer", None)
    texts = cls.resolve_options(values["data"], texts, explicit_options().keys())
    rest = {key: value for key, value in values.items() if key != "image_size"}
    return rest | {"text_config": cls.config_class(**texts)}


def _check_applicable(model: str, values: dict[str, Any]) -> None:
    """Raises UsageError for options without effect on the model's data, even if set to defaults."""
    cls = registry.get_class(model)
    defaults = FIELDS | TEXT_FIELDS
    explicit = explicit_options()
    rejected = [
        name
        for name in DATA_OPTIONS
        if name in values
        and name not in cls.data_options
        and (name in explicit or values[name] != defaults[name])
    ]
    if rejected:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in rejected)
        verb = "has" if len(rejected) == 1 else "have"
        raise UsageError(
            f"{model} is trained on {cls.data_kind}, where {options} {verb} no effect: leave"
            f" {'it' if len(rejected) == 1 else 'them'} out"
        )


def _default_micro_batches(name: str, values: dict[str, Any]) -> int:
    """The model's own `micro_batches` where it is faster: on a CPU, if it divides the batches."""
    from zoo.threads import is_cpu

    micro_batches = registry.get_class(name).micro_batches
    named = source_names.is_named(values["data"])
    even = named and values.get("train", "train").startswith("train")  # no short last batch
    cpu = is_cpu() and not values.get("strategy")
    size = values.get("batch_size", RunConfig.batch_size)
    return micro_batches if even and cpu and size % micro_batches == 0 else 1


def check_model_name(name: str) -> None:
    """Raises UsageError unless it is a model's name; the message states what it is instead."""
    if name in registry.names():
        return
    if name in recipes.names():
        raise UsageError(f"{name} is a recipe, not a model: zoo reproduce {name}")
    try:
        resolved = loading.resolve(name)
    except UnknownNameError as error:
        raise UnknownNameError("model", name, registry.names()) from error
    if resolved.run:
        raise UsageError(
            f"{name} is a run, not a model; to resume it: zoo train --config {name}/config.json"
            f" --workdir {name}; to start from its weights: zoo train {resolved.run.config.model}"
            f" --init {name}"
        )
    raise UsageError(f"{name} is a {resolved.kind}, not a model: zoo train MODEL --init {name}")


def read_config(file: Path) -> dict[str, Any]:
    """The fields of a description in a file; raises UsageError: damaged, or unknown fields.

    Args:
        file: the config.json of a run, or TOML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"--config: there is no file {file}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--config: {file} cannot be read: {one_line(error)}") from error
    try:
        values = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        if "set" in values or file.name == "recipe.json":
            values = asdict(run_folder.read(file.parent).config)
        is_run = "made_by" in values
        values = {k: v for k, v in values.items() if not is_run or k in FIELDS}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{file} does not describe a run: {one_line(error)}") from error
    for key in values.keys() - FIELDS.keys():
        raise UnknownNameError(f"field in {file}", key, FIELDS)
    for key in (values.get("text_config") or {}).keys() - TEXT_FIELDS.keys():
        raise UnknownNameError(f"field of text_config in {file}", key, TEXT_FIELDS)
    if "model" in values and isinstance(values.get("config"), dict):
        model, config = former_arguments.translate(values["model"], values["config"])
        values |= {"model": model, "config": config}
    return values
