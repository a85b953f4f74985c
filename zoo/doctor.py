"""The commands about what is here: `zoo data` and `zoo doctor`."""

import importlib.metadata
import os
import platform
from dataclasses import asdict

import click
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import zoo
from zoo import registry
from zoo.environment import check_backend
from zoo.errors import UsageError, WriteError, ZooError, one_line
from zoo.files import check_writable
from zoo.presets.sources import directory as preset_directory
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
FOLDERS = {  # what is in it -> (the folder, what to do if it cannot be written)
    "data": (zoo.data.directory, "set TFDS_DATA_DIR to another"),
    "generated": (zoo.data.generated_directory, "set ZOO_DATA_DIR to another"),
    "cache": (preset_directory, "set ZOO_CACHE to another"),
    "runs": (lambda: RUNS, "work in another folder, or give --workdir"),
}


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
    kept, generated = (record[key] or "no folder yet" for key in ("directory", "generated"))
    click.echo(f"\nkept in {kept}; zoo data prepare NAME fetches one")
    click.echo(f"what the zoo itself generates is kept in {generated}")


@data.command("list")
@answers(show_data)
def data_list():
    """List the data sets.

    All that have a name, and which of them are on disk.
    """
    rows = [described(name) for name in zoo.data.names()]
    shared, own = place(zoo.data.directory)[0], place(zoo.data.generated_directory)[0]
    return {"directory": shared["directory"], "generated": own["directory"], "data": rows}


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
    problems = [f"{p} is missing: pip install {p}" for p, found in versions.items() if not found]
    devices, failure = tensorflow_devices()
    offered, broken = plugins()
    folders = {name: place(choose, cure) for name, (choose, cure) in FOLDERS.items()}
    found = {name: facts for name, (facts, _) in folders.items()}
    found["data"]["prepared"] = [n for n in zoo.data.names() if described(n)["prepared"]]
    problems += [
        f"folder of {name}: {problem}" for name, (_, problem) in folders.items() if problem
    ]
    return {
        "versions": versions,
        "devices": devices,
        "cores": os.cpu_count(),
        "memory_gb": memory(),
        **found,
        "plugins": offered,
        "problems": problems + unsupported() + failure + broken,
    }


def unsupported():
    """What is installed in a version that this library does not support, as lines."""
    try:
        needs = importlib.metadata.requires("the-zoo") or []
        python = SpecifierSet(importlib.metadata.metadata("the-zoo")["Requires-Python"] or "")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return []
    found = []
    if not python.contains(platform.python_version(), prereleases=True):
        found.append(f"python {platform.python_version()} is not supported: use {python}")
    for need in map(Requirement, needs):
        wanted = need.marker is None or need.marker.evaluate({"extra": ""})
        installed = version(need.name) if wanted else None
        if installed and not need.specifier.contains(installed, prereleases=True):
            found.append(
                f"{need.name} {installed} is not supported: pip install"
                f" '{need.name}{need.specifier}'"
            )
    return found


def version(package):
    """The version that is installed, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def tensorflow_devices():
    """Names of what TensorFlow computes on, and what keeps it or Keras from doing so."""
    failures = []
    try:
        check_backend()
    except UsageError as error:
        failures.append(str(error))
    try:
        if not failures:
            import_tensorflow()
            import keras  # noqa: F401
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        return [device.name.removeprefix("/physical_device:") for device in devices], failures
    except Exception as error:  # packages that do not fit may fail in any way
        return [], [*failures, f"TensorFlow or Keras cannot be imported: {one_line(error)}"]


def plugins():
    """Name -> module of the models other packages bring, and which of them are broken."""
    found = {e.name: e.value for e in importlib.metadata.entry_points(group=registry.GROUP)}
    broken = []
    for name, module in found.items():
        try:
            registry.info(name)
        except Exception as error:  # somebody else's code may fail in any way
            broken.append(f"the plug-in {name} ({module}) is broken: {one_line(error)}")
    return found, broken


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


def memory():
    """Bytes of memory of this machine, in units of 2^30; None where it cannot be told."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
