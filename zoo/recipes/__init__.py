"""Recipes by name: everything needed, to the last seed, to reproduce one result.

    recipe = zoo.recipes.get("vae.mnist_gated")
    zoo.recipes.run.reproduce(recipe, "cpu-hour")    # or: zoo reproduce vae.mnist_gated

A plug-in lists modules in the entry-point group `zoo.recipes`; each has a tuple `RECIPES`:

    [project.entry-points."zoo.recipes"]
    my_recipes = "my_package.recipes"

Importing this package needs no TensorFlow; the modules of plug-ins should need none either.
"""

import fnmatch
import functools
import importlib
import importlib.metadata

from zoo.errors import UnknownNameError, UsageError
from zoo.recipes import captioning, diffusion, gans, language_modeling, translation, vaes
from zoo.recipes.metric import Metric
from zoo.recipes.metric_functions import estimate_entry, score_entry
from zoo.recipes.metric_spec import MetricSpec, register_metric
from zoo.recipes.recipe import Budget, Recipe, Reference

__all__ = [
    "Budget",
    "Metric",
    "MetricSpec",
    "Recipe",
    "Reference",
    "estimate_entry",
    "get",
    "names",
    "register",
    "register_metric",
    "score_entry",
]

ENTRY_POINT_GROUP = "zoo.recipes"

_recipes: dict[str, Recipe] = {}
_registered_modules: set[str] = set()


def register(recipe: Recipe) -> Recipe:
    """Registers a recipe under its name; raises UsageError if the name is taken or malformed."""
    model, dot, tag = recipe.name.partition(".")
    if model != recipe.model or not tag.isidentifier():
        raise UsageError(
            f"the name of a recipe must be its model's, a dot and a tag, like 'vae.mnist_d2'; got"
            f" {recipe.name!r} for the model {recipe.model!r}"
        )
    if recipe.name in _recipes:
        raise UsageError(f"the name of the recipe {recipe.name!r} is taken; choose another tag")
    _recipes[recipe.name] = recipe
    return recipe


def get(name: str) -> Recipe:
    """The `Recipe` of that name; raises UnknownNameError."""
    _register_plugins()
    if name not in _recipes:
        raise UnknownNameError("recipe", name, _recipes)
    return _recipes[name]


def names(pattern: str = "*") -> list[str]:
    """Sorted names of all recipes that match a wildcard pattern, as in `names("vae.*")`."""
    _register_plugins()
    return sorted(fnmatch.filter(_recipes, pattern))


def _register_plugins() -> None:
    """Registers the recipes of all plug-ins, once; raises UsageError if one is broken."""
    for name, module in _plugins():
        if module in _registered_modules:
            continue
        _registered_modules.add(module)  # before its import, which may ask for other recipes
        try:
            found = importlib.import_module(module).RECIPES
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the plug-in {name} offers recipes in {module}, which has no RECIPES ({error}):"
                " repair or uninstall it"
            ) from error
        for recipe in found:
            register(recipe)


@functools.cache
def _plugins() -> list[tuple[str, str]]:
    entries = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    return [(entry.name, entry.value) for entry in entries]


for _module in (vaes, gans, diffusion, translation, captioning, language_modeling):
    for recipe in _module.RECIPES:
        register(recipe)
del recipe
