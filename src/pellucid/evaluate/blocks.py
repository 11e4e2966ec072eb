"""What a report is made of: titled blocks of text, tables and plots, written as Markdown or as a page from the same content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Sequence[object]


@dataclass(frozen=True)
class Table:
    """None is an empty cell. `bad` are the numbers of rows to mark."""

    head: Row
    rows: tuple[Row, ...]
    bad: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Block:
    """`plots` are names of files beside the report. `level` 2 is a chapter, 3 a part of one."""

    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[str, ...] = ()
    level: int = 2


def markdown(block: Block) -> Iterator[str]:
    yield f"{'#' * block.level} {block.title}"
    yield ""
    if block.text:
        yield from (block.text, "")
    for table in block.tables:
        yield "| " + " | ".join(map(str, table.head)) + " |"
        yield "|" + " --- |" * len(table.head)
        yield from ("| " + " | ".join(map(cell, row)) + " |" for row in table.rows)
        yield ""
    if block.plots:
        yield " ".join(f"![{name.removesuffix('.png')}]({name})" for name in block.plots)
        yield ""


def cell(value: object) -> str:
    """As people read it: rates with their counts, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return percent(value) if "of" in value else ", ".join(f"{name} {cell(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(cell, value)) if len(value) == 2 else ", ".join(map(cell, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(measured: Mapping[str, Any]) -> str:
    """A rate with its counts: `1.2 % (12 of 1,000, at most 2.0 %)`."""
    if not measured["of"]:
        return "none to count"
    return f"{100 * measured['rate']:.1f} % ({measured['count']} of {measured['of']:,}, at most {100 * measured['upper']:.1f} %)"


def sure_share(measured: Mapping[str, Any]) -> str:
    """Where high is good: `98.0 % (98 of 100, at least 94.6 %)`."""
    if not measured["of"]:
        return "none to count"
    return f"{100 * measured['rate']:.1f} % ({measured['count']} of {measured['of']:,}, at least {100 * measured['lower']:.1f} %)"
