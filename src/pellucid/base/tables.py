"""Tables for people at a terminal. rich is imported when one is made, for most commands make none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


IDS = ("id", "analysis")


def table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Cells are shown as they are, whatever signs they hold. Ids are never broken: they are there to be copied."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(title=title and escape(title), title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in IDS)
    for row in rows:
        made.add_row(*[escape(cell) for cell in row])
    return made


def show(made: Table) -> None:
    """On standard output."""
    from rich.console import Console

    Console().print(made)
