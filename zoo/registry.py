"""The registry of model classes. Files are the registry: `zoo/models/vae.py` registers `vae`.

`names` and `info` read source files and entry points; only `get_class` and `build` import
TensorFlow. A plug-in lists its models in the entry-point group `zoo.models`:

    [project.entry-points."zoo.models"]
    my_model = "my_package.my_model"       # a module whose import runs @zoo.register("my_model")
"""

import ast
import copy
import fnmatch
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo import environment, former_arguments
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from zoo.model import Model

ModelClass = TypeVar("ModelClass", bound=type)

ENTRY_POINT_GROUP = "zoo.models"
MODEL_NAME = re.compile(r"[a-z][a-z0-9_]*")
FOLDER = Path(__file__).parent / "models"

_registered: dict[str, type] = {}


def register(name: str) -> Callable[[ModelClass], ModelClass]:
    """Class decorator: registers a model as `name`, with the zoo and with Keras' serialization.

    Raises:
        UsageError: the name is not lower_snake, or belongs to another class.
    """
    if not MODEL_NAME.fullmatch(name):
        raise UsageError(f"a model's name must be lower_snake like 'mixture_vae', got {name!r}")

    def decorate(cls: ModelClass) -> ModelClass:
        import keras

        previous = _registered.get(name)
        owner = previous and f"{previous.__module__}.{previous.__qualname__}"
        # The same class defined again (a notebook cell, a reload) replaces itself.
        if previous and owner != f"{cls.__module__}.{cls.__qualname__}":
            raise UsageError(f"the name {name!r} is taken by {owner}; choose another name")
        module = _modules().get(name)
        if module and cls.__module__ not in (module, "__main__"):
            raise UsageError(f"the name {name!r} is taken by {module}; choose another name")
        _registered[name] = keras.saving.register_keras_serializable("zoo", name)(cls)
        return cls

    return decorate


def is_model_name(name: str) -> bool:
    """Whether a text has the form of a model's name, not of a preset's reference."""
    return MODEL_NAME.fullmatch(name) is not None


def names(pattern: str = "*") -> list[str]:
    """Sorted names of all models that match a wildcard pattern, as in `names("*vae*")`."""
    return sorted(fnmatch.filter({*_modules(), *_registered}, pattern))


def get_class(name: str) -> "type[Model]":
    """The class registered as `name`; imports its module if necessary.

    Raises:
        UnknownNameError: there is no such model.
        UsageError: the module does not register the name.
    """
    if name not in _registered:
        module = _modules().get(name)
        if module is None:
            raise UnknownNameError("model", name, names())
        environment.import_tensorflow()
        importlib.import_module(module)
        if name not in _registered:
            raise UsageError(f"module {module} does not register {name!r} with @zoo.register")
    return _registered[name]


def build(name: str, **config: Any) -> "Model":
    """Builds the architecture `name`: the paper's settings, overridden by `config`.

    Raises:
        UnknownNameError: no such model, or no such argument.
        UsageError: a value that the model does not accept.
    """
    cls = get_class(name)
    accepted = [*arguments(cls), "dtype"]  # `name` is the first argument here
    for key in [key for key in config if key not in accepted]:
        if not former_arguments.has_no_effect(name, key, config.pop(key)):
            raise unknown_argument(name, key, accepted)
    try:
        model = cls(**{"name": name, **config})
        model.build()
    except (ValueError, TypeError) as error:
        settings = ", ".join(f"{key}={value!r:.80}" for key, value in config.items())
        raise UsageError(f"cannot build {name} with {settings}: {error}") from error
    return model


def arguments(cls: type) -> dict[str, inspect.Parameter]:
    """Constructor arguments of a model class by name, including inherited ones."""
    by_name: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                by_name.setdefault(parameter.name, parameter)
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            break
        if base.__module__ == "zoo.model":
            break
    return by_name


def deserialize(config: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments with serialized objects deserialized, models of the zoo among them."""
    import keras

    import_models(config)
    values: dict[str, Any] = keras.saving.deserialize_keras_object(copy.deepcopy({**config}))
    return values


def import_models(config: Any) -> None:
    """Imports the models that a configuration contains, so that Keras finds their classes."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            package, _, name = str(value.get("registered_name")).partition(">")
            if package == "zoo" and name in names():
                get_class(name)
            value = [*value.values()]
        if isinstance(value, list | tuple):
            waiting += value


def translate_config(cls: type, config: dict[str, Any]) -> tuple[type, dict[str, Any]]:
    """The class and the arguments of a saved model by their current names.

    Raises FormerArgumentError: a removed argument had an effect.
    """
    import keras

    name = keras.saving.get_registered_name(cls).rpartition(">")[2]
    today, config = former_arguments.translate(name, config)
    return cls if today == name else get_class(today), config


def unknown_argument(name: str, key: str, accepted: Iterable[str]) -> UsageError:
    """The error for an argument that the model `name` does not have or no longer has."""
    former = former_arguments.error(name, key)
    return former or UnknownNameError(f"argument of {name}", key, accepted)


def info(name: str) -> dict[str, Any]:
    """Describes a model without importing TensorFlow.

    Returns:
        A dict with `name`, `module`, `class`, `summary` (first line of the file), `paper` (the
        file's docstring), `description` (the class's docstring) and `arguments` (name -> default as
        source text, including inherited ones).

    Raises:
        UnknownNameError: there is no such model.
    """
    module = _modules().get(name)
    if module is None and name in _registered:
        return _info_of_class(name, _registered[name])  # registered by a notebook or a script
    if module is None:
        raise UnknownNameError("model", name, names())
    tree = _source(module)
    cls = _registering_class(tree, name)
    if cls is None:
        raise UsageError(f"module {module} does not register {name!r} with @zoo.register")
    paper = ast.get_docstring(tree) or ""
    return {
        "name": name,
        "module": module,
        "class": cls.name,
        "summary": paper.partition("\n")[0],
        "paper": paper,
        "description": ast.get_docstring(cls) or "",
        "arguments": _written_arguments(tree, cls),
    }


def packages() -> set[str]:
    """The top-level packages, or modules, that define the registered models."""
    modules = [*_modules().values(), *(cls.__module__ for cls in _registered.values())]
    return {module.partition(".")[0] for module in modules}


def _info_of_class(name: str, cls: type) -> dict[str, Any]:
    """`info` of a class that has no source file of its own."""
    text = inspect.getdoc(cls) or ""
    defaults = {k: p.default for k, p in arguments(cls).items()}
    return {
        "name": name,
        "module": cls.__module__,
        "class": cls.__name__,
        "summary": text.partition("\n")[0],
        "paper": text,
        "description": text,
        "arguments": {
            k: "(required)" if v is inspect.Parameter.empty else repr(v)
            for k, v in defaults.items()
        },
    }


def _modules() -> dict[str, str]:
    """Name -> module, of this package and of plug-ins; raises UsageError for a duplicate."""
    modules = {path.stem: f"zoo.models.{path.stem}" for path in FOLDER.glob("[a-z]*.py")}
    for name, module in _plugins():
        if modules.setdefault(name, module) != module:
            raise UsageError(
                f"two packages offer a model named {name!r}: {modules[name]} and {module};"
                " uninstall one of them"
            )
    return modules


@functools.cache
def _plugins() -> list[tuple[str, str]]:
    return [
        (entry.name, entry.value)
        for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    ]


def _source(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.origin:
        raise UsageError(f"module {module}, which should hold a model, cannot be found")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _registering_class(tree: ast.Module, name: str) -> ast.ClassDef | None:
    """The class with the decorator `register(name)`."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(d, ast.Call) and d.args and getattr(d.args[0], "value", None) == name
            for d in node.decorator_list
        ):
            return node
    return None


def _written_arguments(tree: ast.Module, cls: ast.ClassDef) -> dict[str, str]:
    """Argument -> default as source text, following base classes imported from other models."""
    defaults: dict[str, str] = {}
    inherits = True
    for item in cls.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            spec = item.args
            positional = spec.args[1:]
            blanks = [None] * (len(positional) - len(spec.defaults))
            pairs = [
                *zip(positional, [*blanks, *spec.defaults], strict=True),
                *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
            ]
            defaults = {a.arg: "(required)" if d is None else ast.unparse(d) for a, d in pairs}
            inherits = spec.kwarg is not None
    for base in cls.bases if inherits else []:
        name = getattr(base, "id", None)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                defaults = {**_written_arguments(tree, node), **defaults}
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            if name in {alias.name for alias in node.names}:
                other = _source(node.module)
                for parent in other.body:
                    if isinstance(parent, ast.ClassDef) and parent.name == name:
                        defaults = {**_written_arguments(other, parent), **defaults}
    return defaults
