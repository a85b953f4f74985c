"""Shell completion: the names of models, presets, runs, recipes and data sets."""

from collections.abc import Callable, Iterable

import click

from zoo import factory, recipes, registry
from zoo.recipes.loading import saved_runs

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completer(names: Callable[[], Iterable[str]]) -> Completer:
    """A function for `shell_complete=`: the names that begin with what was typed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _trained() -> Iterable[str]:
    """The names of trained models: runs, presets, and models, which mean their newest run."""
    yield from (str(run.workdir) for run in saved_runs())
    yield from factory.names(pretrained=True)
    yield from registry.names()


def _data_sets() -> Iterable[str]:
    from zoo import data

    return data.names()


complete_models = _completer(registry.names)
complete_described = _completer(lambda: [*registry.names(), *factory.names(pretrained=True)])
complete_trained = _completer(_trained)
complete_recipes = _completer(recipes.names)
complete_data = _completer(_data_sets)
