"""`zoo data`: lists, describes and prepares the data sets of the catalog."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from zoo import data as datasets
from zoo.cli.completion import complete_data
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.errors import WriteError, ZooError
from zoo.files import check_writable


@click.group()
def data() -> None:
    """List, describe and prepare data sets.

    \b
    zoo data list
    zoo data info mnist
    zoo data prepare mnist
    """


def describe(name: str) -> dict[str, Any]:
    """A data set's entry in the catalog, and whether it is on disk (`prepared`)."""
    return {**asdict(datasets.info(name)), "prepared": datasets.is_prepared(name)}


def _show_list(record: dict[str, Any]) -> None:
    rows = [
        (
            row["name"],
            "x".join(map(str, row["shape"])),
            f"{sum(row['splits'].values()):,}",
            "yes" if row["prepared"] else "",
            row["description"],
        )
        for row in record["data"]
    ]
    print_table(rows, "name", "image", "examples", "on disk", "description")
    directory = record["directory"] or "no folder yet"
    generated = record["generated"] or "no folder yet"
    click.echo(f"\ndownloaded data: {directory}; to download a data set: zoo data prepare NAME")
    click.echo(f"generated data:  {generated}")


@data.command("list")
@json_option(_show_list)
def data_list() -> dict[str, Any]:
    """List the data sets, and which of them are on disk.

    \b
    zoo data list
    """
    rows = [describe(name) for name in datasets.names()]
    downloaded, _ = folder_status(datasets.directory)
    generated, _ = folder_status(datasets.generated_directory)
    return {
        "directory": downloaded["directory"],
        "generated": generated["directory"],
        "data": rows,
    }


@data.command("info")
@click.argument("name", shell_complete=complete_data)
@json_option(lambda record: print_table(record.items()))
def data_info(name: str) -> dict[str, Any]:
    """Describe a data set: shape, splits, source, license, and whether it is on disk.

    NAME is a name from `zoo data list`.

    \b
    zoo data info mnist
    """
    return describe(datasets.info(name).name)


@data.command("prepare")
@click.argument("name", shell_complete=complete_data)
@json_option(lambda record: click.echo(f"{record['name']} is in {record['directory']}"))
def data_prepare(name: str) -> dict[str, Any]:
    """Download a data set, once.

    NAME is a name from `zoo data list`. Training needs no internet access afterwards.

    \b
    zoo data prepare mnist
    """
    name = datasets.info(name).name
    import_tensorflow()
    return {"name": name, "directory": str(datasets.prepare(name))}


def folder_status(
    choose: Callable[[], Path], remedy: str | None = None
) -> tuple[dict[str, Any], str | None]:
    """({"directory", "writable"} of a folder, the problem with it or None).

    Args:
        choose: returns the folder, or raises a ZooError.
        remedy: what to do if it cannot be written.
    """
    try:
        folder = choose().absolute()
    except ZooError as error:
        return {"directory": None, "writable": False}, str(error)
    try:
        check_writable(folder / "file")
    except WriteError:
        return {"directory": str(folder), "writable": False}, f"cannot write in {folder}: {remedy}"
    return {"directory": str(folder), "writable": True}, None
