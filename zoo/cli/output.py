"""Figures that commands write in addition to their output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

MAX_MAPS = 8  # texts or images in a figure of attention weights


def try_figure(draw: Callable, *args: Any, path: Path) -> dict[str, str]:
    """Calls `draw(*args, path=path)`; an error does not lose the results of the command.

    Returns {"error": ...} if the figure cannot be made, else {}.
    """
    try:
        draw(*args, path=path)
    except (ZooError, OSError, ValueError) as error:
        return {"error": f"{path} was not written: {error}"}
    return {}
