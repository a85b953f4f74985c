"""`zoo data`: the data sets that have a name, and fetching them."""

from dataclasses import asdict

import click

from zoo import data as datasets
from zoo.cli.terminal import answers, import_tensorflow, table
from zoo.errors import WriteError, ZooError
from zoo.files import check_writable


@click.group()
def data():
    """List, prepare and describe data sets."""


def describe(name):
    """What the catalog and the disk say about a data set."""
    return {**asdict(datasets.info(name)), "prepared": datasets.is_prepared(name)}


def show_data(record):
    rows = [
        (
            one["name"],
            "x".join(map(str, one["shape"])),
            f"{sum(one['splits'].values()):,}",
            "yes" if one["prepared"] else "",
            one["description"],
        )
        for one in record["data"]
    ]
    table(rows, "name", "image", "examples", "on disk", "what it is")
    kept, generated = (record[key] or "no folder yet" for key in ("directory", "generated"))
    click.echo(f"\nkept in {kept}; zoo data prepare NAME fetches one")
    click.echo(f"what the zoo itself generates is kept in {generated}")


@data.command("list")
@answers(show_data)
def data_list():
    """List the data sets.

    All that have a name, and which of them are on disk.
    """
    rows = [describe(name) for name in datasets.names()]
    shared, own = place(datasets.directory)[0], place(datasets.generated_directory)[0]
    return {"directory": shared["directory"], "generated": own["directory"], "data": rows}


@data.command("info")
@click.argument("name")
@answers(lambda record: table(record.items()))
def data_info(name):
    """Describe a data set.

    Shape, splits, source, licence, and whether it is on disk. Example: zoo data info mnist
    """
    return describe(datasets.info(name).name)


@data.command("prepare")
@click.argument("name")
@answers(lambda record: click.echo(f"{record['name']} is in {record['directory']}"))
def data_prepare(name):
    """Download a data set, once.

    The only command that needs a network. Example: zoo data prepare mnist
    """
    known = datasets.info(name).name
    import_tensorflow()
    return {"name": known, "directory": str(datasets.prepare(known))}


def place(choose, cure=None):
    """({"directory", "writable"} of the folder that a function returns, what is wrong or None)."""
    try:
        folder = choose().absolute()
    except ZooError as error:
        return {"directory": None, "writable": False}, str(error)
    try:
        check_writable(folder / "file")
    except WriteError:
        return {"directory": str(folder), "writable": False}, f"cannot write in {folder}: {cure}"
    return {"directory": str(folder), "writable": True}, None
