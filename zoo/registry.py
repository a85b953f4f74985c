"""Names to models. Files are the registry: `zoo/models/vae.py` registers `vae`.

Listing and `info` read source files and entry points; TensorFlow is imported only by `build`. A
plug-in names its models in the entry-point group `zoo.models`:

    [project.entry-points."zoo.models"]
    my_model = "my_package.my_model"       # a module whose import runs @zoo.register("my_model")
"""

import ast
import fnmatch
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
from pathlib import Path

from zoo import environment
from zoo.errors import UnknownNameError, UsageError

GROUP = "zoo.models"
PLAIN = re.compile(r"[a-z][a-z0-9_]*")
FOLDER = Path(__file__).parent / "models"

_registered = {}


def register(name):
    """Class decorator: makes the model known as `name`, to the zoo and to Keras' saving.

    Raises:
        UsageError: the name is not lower_snake, or another class has it.
    """
    if not PLAIN.fullmatch(name):
        raise UsageError(f"a model's name must be lower_snake like 'mixture_vae', got {name!r}")

    def decorate(cls):
        import keras

        taken = _registered.get(name)
        home = taken and f"{taken.__module__}.{taken.__qualname__}"
        # The same class run again (a notebook cell, a reload) replaces itself.
        if taken and home != f"{cls.__module__}.{cls.__qualname__}":
            raise UsageError(f"the name {name!r} is taken by {home}; choose another name")
        elsewhere = _modules().get(name)
        if elsewhere and cls.__module__ not in (elsewhere, "__main__"):
            raise UsageError(f"the name {name!r} is taken by {elsewhere}; choose another name")
        _registered[name] = keras.saving.register_keras_serializable("zoo", name)(cls)
        return cls

    return decorate


def is_plain(name):
    """Whether a text can be the name of a model, and not the reference of a preset."""
    return PLAIN.fullmatch(name) is not None


def names(pattern="*"):
    """Sorted names of all models that match a wildcard pattern, as in `names("*vae*")`."""
    return sorted(fnmatch.filter({*_modules(), *_registered}, pattern))


def get_class(name):
    """The class registered under `name`, imported if need be.

    Raises:
        UnknownNameError: nothing has that name.
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


def build(name, **config):
    """The architecture `name` with the paper's settings, overridden by `config`; built.

    Raises UnknownNameError: no such model, or no such argument; UsageError: a value that it cannot
    take.
    """
    cls = get_class(name)
    known = [*arguments(cls), "dtype"]  # `name` is the first argument here
    for key in config:
        if key not in known:
            raise UnknownNameError(f"argument of {name}", key, known)
    try:
        model = cls(**{"name": name, **config})
        model.build()
    except (ValueError, TypeError) as error:
        told = ", ".join(f"{key}={value!r:.80}" for key, value in config.items())
        raise UsageError(f"cannot build {name} with {told}: {error}") from error
    return model


def arguments(cls):
    """Constructor arguments of a model class, inherited ones included: name -> Parameter."""
    found = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = list(inspect.signature(owner.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            break
        if owner.__module__ == "zoo.model":
            break
    return found


def info(name):
    """What there is to know about a model without importing TensorFlow.

    Returns a dict: `name`, `module`, `class`, `summary` (first line of the file), `paper` (the
    file's docstring), `description` (the class's docstring), `arguments` (name -> default as
    written, inherited ones included).

    Raises:
        UnknownNameError: nothing has that name.
    """
    module = _modules().get(name)
    if module is None and name in _registered:
        return _info_of(name, _registered[name])  # of this session: a notebook, a script
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


def packages():
    """The top-level packages, or modules, that models come from."""
    modules = [*_modules().values(), *(cls.__module__ for cls in _registered.values())]
    return {module.partition(".")[0] for module in modules}


def _info_of(name, cls):
    """`info` of a class that no file is known for."""
    text = inspect.getdoc(cls) or ""
    found = {k: p.default for k, p in arguments(cls).items()}
    return {
        "name": name,
        "module": cls.__module__,
        "class": cls.__name__,
        "summary": text.partition("\n")[0],
        "paper": text,
        "description": text,
        "arguments": {
            k: "(required)" if v is inspect.Parameter.empty else repr(v) for k, v in found.items()
        },
    }


def _modules():
    """Name -> module, of our own files and of plug-ins; raises UsageError on a clash."""
    found = {path.stem: f"zoo.models.{path.stem}" for path in FOLDER.glob("[a-z]*.py")}
    for name, module in _plugins():
        if found.setdefault(name, module) != module:
            raise UsageError(
                f"two packages offer a model named {name!r}: {found[name]} and {module};"
                " uninstall one of them"
            )
    return found


@functools.cache
def _plugins():
    return [(entry.name, entry.value) for entry in importlib.metadata.entry_points(group=GROUP)]


def _source(module):
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.origin:
        raise UsageError(f"module {module}, which should hold a model, cannot be found")
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _registering_class(tree, name):
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(d, ast.Call) and d.args and getattr(d.args[0], "value", None) == name
            for d in node.decorator_list
        ):
            return node
    return None


def _written_arguments(tree, cls):
    """Argument -> default as source text, following base classes imported from other models."""
    found = {}
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
            found = {a.arg: ast.unparse(d) if d is not None else "(required)" for a, d in pairs}
            inherits = spec.kwarg is not None
    for base in cls.bases if inherits else []:
        name = getattr(base, "id", None)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                found = {**_written_arguments(tree, node), **found}
            if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
                other = _source(node.module)
                for parent in other.body:
                    if isinstance(parent, ast.ClassDef) and parent.name == name:
                        found = {**_written_arguments(other, parent), **found}
    return found
