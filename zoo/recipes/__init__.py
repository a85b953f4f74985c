"""Recipes by name: what has to be done, to the last seed, to get one number again.

    recipe = zoo.recipes.get("vae.mnist_gated")
    zoo.recipes.run.reproduce(recipe, "cpu-hour")    # or: zoo reproduce vae.mnist_gated

Importing this package needs no TensorFlow.
"""

import fnmatch

from zoo.errors import UnknownNameError, UsageError
from zoo.recipes import captioning, gans, translation, vaes
from zoo.recipes.metric_spec import Measure
from zoo.recipes.recipe import Budget, Recipe, Reference

__all__ = ["Budget", "Measure", "Recipe", "Reference", "get", "names", "register"]

_recipes = {}


def register(recipe):
    """Makes a recipe known by its name; raises UsageError if the name is taken or malformed."""
    model, dot, tag = recipe.name.partition(".")
    if model != recipe.model or not tag.isidentifier():
        raise UsageError(
            f"a recipe's name is its model's, a dot and a tag, like 'vae.mnist_d2'; got"
            f" {recipe.name!r} for the model {recipe.model!r}"
        )
    if recipe.name in _recipes:
        raise UsageError(f"there is a recipe {recipe.name!r} already; choose another tag")
    _recipes[recipe.name] = recipe
    return recipe


def get(name):
    """The `Recipe` of that name; raises UnknownNameError."""
    if name not in _recipes:
        raise UnknownNameError("recipe", name, _recipes)
    return _recipes[name]


def names(pattern="*"):
    """Sorted names of all recipes that match a wildcard pattern, as in `names("vae.*")`."""
    return sorted(fnmatch.filter(_recipes, pattern))


for recipe in (*vaes.RECIPES, *gans.RECIPES, *translation.RECIPES, *captioning.RECIPES):
    register(recipe)
del recipe
