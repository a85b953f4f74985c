"""Progress of training: a bar in a terminal, HTML in a notebook, otherwise a line per epoch."""

import html
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column

_SECONDS_BETWEEN_UPDATES = 0.5  # of a notebook, which stores each


class Display(Protocol):
    """Where progress is shown."""

    def start(self, step: int, total: int | None) -> None:
        """Begins at a step, of `total` if that is known."""

    def update(self, step: int, title: str, values: str) -> None:
        """Shows the step and its logged values, under the title of the epoch."""

    def print(self, line: str) -> None:
        """Adds a line that remains."""

    def stop(self) -> None:
        """Removes what is shown only during training."""


class Progress(keras.callbacks.Callback):
    """Shows the step and the logged values, and one line for each epoch.

    Args:
        position: the `position` of the trainer's state, which the trainer updates.
        steps: the budget of steps; infinity without one.
    """

    def __init__(self, position: Mapping[str, Any], steps: float):
        super().__init__()
        self.position = position
        self.steps = steps

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.display: Display = NotebookDisplay() if in_notebook() else TerminalDisplay()
        per_epoch = self.position["steps_per_epoch"] or math.inf
        total = min(self.steps, self.params["epochs"] * per_epoch)
        self.display.start(self.position["step"], None if total == math.inf else int(total))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs = self.params["epochs"]
        self.title = f"epoch {epoch + 1}" + ("" if epochs == math.inf else f"/{epochs}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.display.update(self.position["step"], self.title, _format_logs(logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.display.print(f"{self.title}{self._part()}: {_format_logs(logs)}")

    def _part(self) -> str:
        """The number of steps, for an epoch that ends early with the budget; else ""."""
        steps = self.position["step_in_epoch"]
        total = self.position["steps_per_epoch"]
        return "" if steps == total else f", {steps} of {total or 'its'} steps, not complete"

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.display.stop()


class TerminalDisplay:
    """A progress bar on stderr; if stderr is not a terminal, only the lines."""

    def start(self, step: int, total: int | None) -> None:
        self.console = Console(stderr=True, force_jupyter=False)
        values = Column(no_wrap=True, overflow="ellipsis")
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", table_column=values),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.bar.start()
        self.task = self.bar.add_task("", total=total, completed=step, values="")

    def update(self, step: int, title: str, values: str) -> None:
        self.bar.update(self.task, completed=step, description=title, values=values)

    def print(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        self.bar.stop()


class NotebookDisplay:
    """One output of a cell, without control characters: the lines, and a bar below them."""

    def start(self, step: int, total: int | None) -> None:
        from IPython.display import display

        self.total = total
        self.lines: list[str] = []
        self.shown_at = -math.inf
        self.handle = display(self._bundle(""), raw=True, display_id=True)

    def update(self, step: int, title: str, values: str) -> None:
        if time.monotonic() - self.shown_at > _SECONDS_BETWEEN_UPDATES:
            limits = "" if self.total is None else f' value="{step}" max="{self.total}"'
            count = f"{step}" if self.total is None else f"{step}/{self.total}"
            self._show(f"<progress{limits}></progress> {title}, step {count}: {values}")

    def print(self, line: str) -> None:
        self.lines.append(line)
        self._show("")

    def stop(self) -> None:
        self._show("")

    def _show(self, bar: str) -> None:
        self.shown_at = time.monotonic()
        self.handle.update(self._bundle(bar), raw=True)

    def _bundle(self, bar: str) -> dict[str, str]:
        text = "\n".join(self.lines)
        return {"text/html": f"<pre>{html.escape(text)}</pre>{bar}", "text/plain": text}


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _format_logs(logs: dict[str, Any] | None) -> str:
    """Logged values as one line, without exponents for large ones."""
    items = (logs or {}).items()
    return "  ".join(f"{k} {v:{'.4g' if abs(v) < 1e4 else '.0f'}}" for k, v in items)
