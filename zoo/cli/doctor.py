"""`zoo doctor`: what is installed, and what is wrong with it."""

import importlib.metadata
import os
import platform

import click
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from zoo import data as datasets
from zoo import registry
from zoo.cli.data import describe, place
from zoo.cli.terminal import answers, import_tensorflow, table
from zoo.environment import check_backend
from zoo.errors import UsageError, one_line
from zoo.presets.download import cache_folder as preset_directory
from zoo.training.workdir import RUNS
from zoo.version import __version__

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
    "data": (datasets.directory, "set TFDS_DATA_DIR to another"),
    "generated": (datasets.generated_directory, "set ZOO_DATA_DIR to another"),
    "cache": (preset_directory, "set ZOO_CACHE to another"),
    "runs": (lambda: RUNS, "work in another folder, or give --workdir"),
}


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
    versions = {"zoo": __version__, "python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    problems = [f"{p} is missing: pip install {p}" for p, found in versions.items() if not found]
    devices, failure = tensorflow_devices()
    offered, broken = plugins()
    folders = {name: place(choose, cure) for name, (choose, cure) in FOLDERS.items()}
    found = {name: facts for name, (facts, _) in folders.items()}
    found["data"]["prepared"] = [n for n in datasets.names() if describe(n)["prepared"]]
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


def memory():
    """Bytes of memory of this machine, in units of 2^30; None where it cannot be told."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
