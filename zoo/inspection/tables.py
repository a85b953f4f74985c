"""An inspected training step and its tables: in a terminal, as text, and in a notebook."""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: a line above it.
        columns: the names of the columns.
        left: the number of columns that are aligned to the left; the others are numbers.
        rows: the cells of each row, and whether the row shows a defect.
    """

    title: str
    columns: list[str]
    left: int
    rows: list[tuple[list[str], bool]]

    def __rich__(self) -> Any:
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=self.title, title_justify="left")
        for number, name in enumerate(self.columns):
            table.add_column(name, justify="left" if number < self.left else "right")
        for cells, is_bad in self.rows:
            table.add_row(*map(Text, cells), style="red" if is_bad else None)
        return table

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        names = "".join(map(self._html_head, range(len(self.columns))))
        rows = "".join(
            f"<tr{_BAD if is_bad else ''}>{''.join(map(self._html_cell, range(len(cells)), cells))}"
            "</tr>"
            for cells, is_bad in self.rows
        )
        return (
            f"<table><caption{_CAPTION}>{html.escape(self.title)}</caption>"
            f"<thead><tr>{names}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _html_head(self, number: int) -> str:
        return f"<th{self._html_style(number)}>{html.escape(self.columns[number])}</th>"

    def _html_cell(self, number: int, text: str) -> str:
        depth = len(text) - len(text.lstrip())
        indent = "&nbsp;" * (2 * depth)
        return f"<td{self._html_style(number)}>{indent}{html.escape(text.lstrip())}</td>"

    def _html_style(self, number: int) -> str:
        align = "left" if number < self.left else "right"
        return f' style="text-align: {align}; padding: 0 0.6em"'


_BAD = ' style="color: #c00"'
_CAPTION = ' style="text-align: left; padding: 0.6em; font-weight: bold"'


@dataclass
class Inspection:
    """The losses, layer outputs and variables of one training step; prints as tables.

    As the last value of a notebook's cell it is shown as HTML tables.

    Attributes:
        losses: name -> value, as logged by `train_step`.
        layers: one dict for each layer call, in order: `path`, `type`, `shape`, `mean`, `std`,
            `zeros` (fraction of exact zeros), `nan`, `inf` (counts).
        variables: one dict for each trained variable: `path`, `part` (of the optimizer), `shape`,
            `norm`, `gradient_norm` (None without a gradient), `update_ratio` (norm of the change
            divided by the norm).
    """

    losses: dict[str, float]
    layers: list[dict[str, Any]] = field(default_factory=list)
    variables: list[dict[str, Any]] = field(default_factory=list)

    def first_non_finite_layer(self) -> dict[str, Any] | None:
        """The row of the first layer call with a NaN or infinite output, or None."""
        bad = [row for row in self.layers if row["nan"] or row["inf"]]
        # The call of an outer layer comes before the calls of the layers inside it.
        inner = [row for row in bad if not any(_is_inside(other, row) for other in bad)]
        return next(iter(inner), None)

    def explain_non_finite(self) -> str:
        """A phrase for an error message: where NaN or infinity appeared first."""
        row = self.first_non_finite_layer()
        if row is None:
            bad = [r["path"] for r in self.variables if not math.isfinite(r["gradient_norm"] or 0)]
            where = f"the gradient of {bad[0]} is not" if bad else "look at the loss itself"
            return f"every layer's output is finite; {where}"
        counts = f"{row['nan']} NaN, {row['inf']} infinite"
        return f"the first bad layer is {row['path']} ({row['type']}: {counts})"

    def tables(self) -> Iterator[Table]:
        """The losses, the outputs of the layers, and the variables."""
        losses = [f"{value:.6g}" for value in self.losses.values()]
        yield Table("losses", [*self.losses], 0, [(losses, False)])
        columns = ["layer", "type", "shape", "mean", "std", "zeros", "NaN/Inf"]
        yield Table(
            "layer outputs, in order of the calls", columns, 2, [*map(_layer_row, self.layers)]
        )
        columns = ["variable", "optimizer", "shape", "norm", "gradient norm", "update ratio"]
        yield Table(
            "variables and their gradients", columns, 2, [*map(_variable_row, self.variables)]
        )

    def __rich__(self) -> "Group":
        from rich.console import Group

        return Group(*self.tables())

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=120, no_color=True, force_jupyter=False)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    def _repr_html_(self) -> str:
        """The tables for a notebook."""
        return "".join(table._repr_html_() for table in self.tables())


def _layer_row(row: dict[str, Any]) -> tuple[list[str], bool]:
    is_bad = bool(row["nan"] + row["inf"])
    cells = [
        _indented(row["path"]),
        row["type"],
        "x".join(map(str, row["shape"])),
        f"{row['mean']:.4g}",
        f"{row['std']:.4g}",
        f"{row['zeros']:.0%}",
        f"{row['nan']}/{row['inf']}" if is_bad else "-",
    ]
    return cells, is_bad


def _variable_row(row: dict[str, Any]) -> tuple[list[str], bool]:
    gradient = row["gradient_norm"]
    cells = [
        row["path"],
        row["part"] or "all",
        "x".join(map(str, row["shape"])) or "scalar",
        f"{row['norm']:.4g}",
        "none" if gradient is None else f"{gradient:.4g}",
        f"{row['update_ratio']:.2e}",
    ]
    return cells, gradient is None


def _is_inside(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the layer of `row` is inside the layer of `other`."""
    return row["path"].startswith(other["path"] + "/")


def _indented(path: str) -> str:
    """A path as a line of a tree: the last name, indented by its depth."""
    depth = path.count("/")
    return "  " * depth + (path if not depth else path.rpartition("/")[2])
