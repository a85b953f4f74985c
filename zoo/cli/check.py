"""`zoo check`: runs the conformance suite on a model, such as one of your own."""

from typing import Any

import click

from zoo.cli.completion import complete_models
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.log import log_message


def _show(record: dict[str, Any]) -> None:
    rows = [(key, record["problems"].get(key, "ok")) for key in record["properties"]]
    print_table(rows, "property", "result")
    count = len(record["problems"])
    total = len(record["properties"])
    click.echo(f"\n{record['model']} has {total - count} of {total} properties")


@click.command()
@click.argument("name", shell_complete=complete_models)
@click.option(
    "--only",
    multiple=True,
    metavar="PROPERTY",
    help="Check only this property. May be repeated.  [default: all]",
)
@json_option(_show)
def check(name: str, only: tuple[str, ...]) -> dict[str, Any]:
    """Check that a model has the properties of every model of the zoo.

    NAME is the name of a model, of this package or of a plug-in. The model is built with its
    `small_config`; no data are needed. The properties are those of the test suite: each weight
    gets a gradient, a stopped run resumes to the same bits, two replicas apply the mean gradient,
    and so on. The exit code is 1 if the model lacks one of them.

    \b
    zoo check vae
    zoo check my_model --only every_weight_has_a_gradient
    """
    import_tensorflow()
    from zoo import testing

    testing.use_two_devices()
    properties = list(only or testing.PROPERTIES)
    problems = testing.failures(name, only, report=lambda key: log_message(f"checking {key}"))
    return {"model": name, "properties": properties, "problems": problems}
