"""The commands about what is here: `zoo data` and `zoo doctor`."""

import importlib.metadata
import os
import platform
from dataclasses import asdict
from pathlib import Path

import click

import zoo
from zoo import registry
from zoo.runs import RUNS
from zoo.terminal import answers, import_tensorflow, table

PACKAGES = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-probability",
    "tensorflow-datasets",
    "tensorboard",
    "numpy",
    "matplotlib",
)


@click.group()
def data():
    """List, prepare and describe data sets."""


def described(name):
    """What the catalog and the disk say about a data set."""
    return {**asdict(zoo.data.info(name)), "prepared": zoo.data.is_prepared(name)}


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
    click.echo(f"\nkept in {record['directory']}; zoo data prepare NAME fetches one")


@data.command("list")
@answers(show_data)
def data_list():
    """List the data sets.

    All that have a name, and which of them are on disk.
    """
    rows = [described(name) for name in zoo.data.names()]
    return {"directory": str(zoo.data.directory()), "data": rows}


@data.command("info")
@click.argument("name")
@answers(lambda record: table(record.items()))
def data_info(name):
    """Describe a data set.

    Shape, splits, source, licence, and whether it is on disk. Example: zoo data info mnist
    """
    return described(zoo.data.info(name).name)


@data.command("prepare")
@click.argument("name")
@answers(lambda record: click.echo(f"{record['name']} is in {record['directory']}"))
def data_prepare(name):
    """Download a data set, once.

    The only command that needs a network. Example: zoo data prepare mnist
    """
    known = zoo.data.info(name).name
    import_tensorflow()
    return {"name": known, "directory": str(zoo.data.prepare(known))}


def show_doctor(record):
    rows = []
    for key, value in record.items():
        parts = value if isinstance(value, dict) else {"": value}
        rows += [(f"{key} {name}", shown(part)) for name, part in parts.items()]
    table(rows[:-1], "what", "found")
    click.echo("\n".join(f"problem: {p}" for p in record["problems"]) or "all is well")


def shown(value):
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


@click.command()
@answers(show_doctor)
def doctor():
    """Check the installation.

    Looks at packages, devices, folders, data sets and plug-ins.

    The exit code is 1 if something that is needed is missing.
    """
    return examine()


def examine():
    """Everything there is to know about this installation; `problems` is empty if all is well."""
    versions = {"zoo": zoo.__version__, "python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    missing = [f"{p} is missing: pip install {p}" for p, found in versions.items() if not found]
    devices, failure = tensorflow_devices()
    offered, broken = plugins()
    prepared = [name for name in zoo.data.names() if described(name)["prepared"]]
    return {
        "versions": versions,
        "devices": devices,
        "cores": os.cpu_count(),
        "memory_gb": memory(),
        "data": {**place(zoo.data.directory()), "prepared": prepared},
        "runs": place(RUNS),
        "plugins": offered,
        "problems": missing + failure + broken,
    }


def version(package):
    """The version that is installed, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def tensorflow_devices():
    """Names of what TensorFlow computes on, and what keeps it from doing so."""
    try:
        import_tensorflow()
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        return [device.name.removeprefix("/physical_device:") for device in devices], []
    except ImportError as error:
        return [], [f"TensorFlow cannot be imported: {error}"]


def plugins():
    """Name -> module of the models other packages bring, and which of them are broken."""
    found = {e.name: e.value for e in importlib.metadata.entry_points(group=registry.GROUP)}
    broken = []
    for name, module in found.items():
        try:
            registry.info(name)
        except Exception as error:  # somebody else's code may fail in any way
            broken.append(f"the plug-in {name} ({module}) is broken: {error}")
    return found, broken


def place(path):
    """A folder, and whether it, or the nearest folder above it that exists, can be written to."""
    path = Path(path).absolute()
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    return {"directory": str(path), "writable": os.access(there, os.W_OK)}


def memory():
    """Bytes of memory of this machine, in units of 2^30; None where it cannot be told."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
