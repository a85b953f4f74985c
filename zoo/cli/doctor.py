"""`zoo doctor`: checks the installation."""

import importlib
import importlib.metadata
import os
import platform
from collections.abc import Callable
from typing import Any

import click
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from zoo import data as datasets
from zoo import presets, recipes, registry
from zoo.cli.data import describe, folder_status
from zoo.cli.terminal import import_tensorflow, json_option, print_table
from zoo.data import catalog
from zoo.environment import check_backend, count_cores
from zoo.errors import PresetError, UsageError, one_line
from zoo.presets.download import cache_folder
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
FOLDERS = {  # contents -> (the folder, what to do if it cannot be written)
    "data": (datasets.directory, "set TFDS_DATA_DIR to another folder"),
    "generated": (datasets.generated_directory, "set ZOO_DATA_DIR to another folder"),
    "cache": (cache_folder, "set ZOO_CACHE to another folder"),
    "runs": (lambda: RUNS, "run zoo in another folder, or give --workdir"),
}

PLUGINS: dict[str, Callable[[Any], Any]] = {  # group of entry points -> check of an entry
    registry.ENTRY_POINT_GROUP: lambda entry: registry.info(entry.name),
    recipes.ENTRY_POINT_GROUP: lambda entry: importlib.import_module(entry.value).RECIPES,
    catalog.ENTRY_POINT_GROUP: lambda entry: importlib.import_module(entry.value).DATA_SETS,
}


def _show(record: dict[str, Any]) -> None:
    rows = []
    for key, value in record.items():
        parts = value if isinstance(value, dict) else {"": value}
        rows += [(f"{key} {name}", _format_value(part)) for name, part in parts.items()]
    print_table(rows[:-1], "item", "value")
    problems = [f"problem: {problem}" for problem in record["problems"]]
    click.echo("\n".join(problems) or "no problems found")


def _format_value(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


@click.command()
@json_option(_show)
def doctor() -> dict[str, Any]:
    """Check the installation.

    Lists packages, devices, folders, data sets and plug-ins, and what is wrong with them or with
    the presets of this package. The exit code is 1 if there is a problem.

    \b
    zoo doctor
    """
    return check_installation()


def check_installation() -> dict[str, Any]:
    """Describes this installation; `problems` is empty if nothing is wrong."""
    versions: dict[str, Any] = {"zoo": __version__, "python": platform.python_version()}
    versions |= {package: _version(package) for package in PACKAGES}
    missing = [name for name, version in versions.items() if not version]
    problems = [f"{name} is missing: pip install {name}" for name in missing]
    devices, device_problems = _tensorflow_devices()
    plugins, plugin_problems = _plugins()
    statuses = {name: folder_status(choose, remedy) for name, (choose, remedy) in FOLDERS.items()}
    folders = {name: status for name, (status, _) in statuses.items()}
    folders["data"]["prepared"] = [n for n in datasets.names() if describe(n)["prepared"]]
    problems += [
        f"folder of {name}: {problem}" for name, (_, problem) in statuses.items() if problem
    ]
    return {
        "versions": versions,
        "devices": devices,
        "cores": count_cores(),
        "memory_gb": _memory(),
        **folders,
        "plugins": plugins,
        "problems": [
            *problems,
            *_unsupported(),
            *device_problems,
            *plugin_problems,
            *_damaged_presets(),
        ],
    }


def _unsupported() -> list[str]:
    """One line for each installed version that this library does not support."""
    try:
        needs = importlib.metadata.requires("the-zoo") or []
        python = SpecifierSet(importlib.metadata.metadata("the-zoo")["Requires-Python"] or "")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return []
    problems = []
    if not python.contains(platform.python_version(), prereleases=True):
        problems.append(f"python {platform.python_version()} is not supported: use {python}")
    for need in map(Requirement, needs):
        needed = need.marker is None or need.marker.evaluate({"extra": ""})
        installed = _version(need.name) if needed else None
        if installed and not need.specifier.contains(installed, prereleases=True):
            problems.append(
                f"{need.name} {installed} is not supported: pip install"
                f" '{need.name}{need.specifier}'"
            )
    return problems


def _version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tensorflow_devices() -> tuple[list[str], list[str]]:
    """(names of TensorFlow's devices, problems that keep TensorFlow or Keras from working)."""
    problems = []
    try:
        check_backend()
    except UsageError as error:
        problems.append(str(error))
    try:
        if not problems:
            import_tensorflow()
            import keras  # noqa: F401
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        return [device.name.removeprefix("/physical_device:") for device in devices], problems
    except Exception as error:  # incompatible packages may raise any error
        return [], [*problems, f"TensorFlow or Keras cannot be imported: {one_line(error)}"]


def _plugins() -> tuple[dict[str, str], list[str]]:
    """(name -> module of models, recipes and data of other packages, problems with them)."""
    modules = {}
    problems = []
    for group, check in PLUGINS.items():
        for entry in importlib.metadata.entry_points(group=group):
            modules[entry.name] = entry.value
            try:
                check(entry)
            except Exception as error:  # a plug-in may raise any error
                reason = one_line(error)
                problems.append(f"the plug-in {entry.name} ({entry.value}) is broken: {reason}")
    return modules, problems


def _damaged_presets() -> list[str]:
    """One line for each preset of this package that cannot be read."""
    problems = []
    for name in presets.names():
        try:
            presets.info(name)
        except PresetError as error:
            problems.append(f"the preset {name} is damaged: {error}")
    return problems


def _memory() -> float | None:
    """Memory of this machine in GiB; None where the system does not report it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
