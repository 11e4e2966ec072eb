"""What waits for a moderator, in the order in which he should see it.

| why        | what                                                            | within it                              |
|------------|-----------------------------------------------------------------|----------------------------------------|
| `appealed` | an appeal is open                                               | the longest waiting first              |
| `second`   | a ruling waits for another moderator                            | the longest waiting first              |
| `flagged`  | a flag is open                                                  | the longest waiting first              |
| `doubtful` | unsure, or decided `review`, and nobody has ruled on it         | the most uncertain first               |

A picture stands once, where it comes first. A page goes on where the one before ended: at a place in a line, not at a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from pydantic import FiniteFloat
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, literal, or_, select

from pellucid.base.ids import first_id, moment_of
from pellucid.records.pages import Why
from pellucid.records.report import Report
from pellucid.store.cursors import AnId
from pellucid.store.tables import analyses, appeals, flags, rulings

LINES: tuple[Why, ...] = get_args(Why)
# Pictures whose pixels could not be judged are as uncertain as can be.
UNKNOWN = 0.5


@dataclass(frozen=True)
class Place:
    """The last one seen: its line, how certain it was (of the doubtful only), and its id (of the waiting: the first waiting)."""

    why: Why
    certainty: FiniteFloat
    id: AnId

    @property
    def since(self) -> datetime:
        """Since when it waits: ids are ULIDs."""
        return moment_of(self.id)


@dataclass(frozen=True)
class Case:
    place: Place
    report: Report


def waiting(connection: Connection, after: Place | None, limit: int, lines: Sequence[Why] = LINES) -> list[Case]:
    """At most `limit` cases behind `after`, of some of the lines."""
    found: list[Case] = []
    for why in LINES[LINES.index(after.why) if after else 0 :]:
        if why not in lines:
            continue
        behind = after if after and after.why == why else None
        left = limit - len(found)
        if left:
            found += _of_line(connection, why, behind, left)
    return found


def count_waiting(connection: Connection) -> dict[Why, int]:
    return {why: int(connection.execute(select(func.count()).select_from(_line(why).subquery())).scalar_one()) for why in LINES}


def place_of(connection: Connection, analysis_id: str) -> Place | None:
    """Where the analysis stands; None where it does not wait."""
    for why in LINES:
        line = _line(why).where(analyses.c.id == analysis_id).subquery()
        if row := connection.execute(select(line.c.certainty, line.c.first)).first():
            return Place(why, row.certainty, row.first)
    return None


def count_older(connection: Connection, moments: Sequence[datetime]) -> dict[Why, list[int]]:
    """Of each line: how many wait since before each of `moments`."""
    found: dict[Why, list[int]] = {}
    for why in LINES:
        line = _line(why).subquery()
        older = [func.count().filter(line.c.first < first_id(moment)) for moment in moments]
        found[why] = [int(number) for number in connection.execute(select(*older).select_from(line)).one()]
    return found


def _of_line(connection: Connection, why: Why, behind: Place | None, limit: int) -> Iterator[Case]:
    line = _line(why).subquery()
    wanted = select(line).order_by(line.c.certainty, line.c.first).limit(limit)
    if behind:
        later = and_(line.c.certainty == behind.certainty, line.c.first > behind.id)
        wanted = wanted.where(or_(line.c.certainty > behind.certainty, later))
    for row in connection.execute(wanted):
        yield Case(Place(why, row.certainty, row.first), Report.model_validate(row.report))


def _line(why: Why) -> Select[Any]:
    """(certainty, first, report) of everyone in the line."""
    if why == "appealed":
        return _waiting_in(appeals, "open")
    if why == "second":
        return _waiting_in(rulings, "waiting").where(~_has(appeals, "open"))
    if why == "flagged":
        return _waiting_in(flags, "open").where(~_has(appeals, "open"), ~_has(rulings, "waiting"))
    certainty = func.coalesce(func.round(func.abs(analyses.c.probability - UNKNOWN) * 10_000), 0.0).label("certainty")
    # What a hash bank blocks has no verdict, and nothing about it waits for a moderator.
    unsure = and_(analyses.c.verdict == "unsure", func.coalesce(analyses.c.decision, "") != "block")
    doubtful = or_(unsure, analyses.c.decision == "review")
    elsewhere = (_has(appeals, "open"), _has(flags, "open"), _has(rulings, "waiting"), _has(rulings, "in_force"))
    return select(certainty, analyses.c.id.label("first"), analyses.c.report).where(
        analyses.c.state == "answered", doubtful, *(~each for each in elsewhere)
    )


def _waiting_in(table: Table, state: str) -> Select[Any]:
    longest = (
        select(table.c.analysis, func.min(table.c.id).label("first")).where(table.c.state == state).group_by(table.c.analysis)
    ).subquery()
    same = longest.c.analysis == analyses.c.id
    columns = (literal(0.0).label("certainty"), longest.c.first, analyses.c.report)
    return select(*columns).join_from(longest, analyses, same).where(analyses.c.state == "answered")


def _has(table: Table, state: str) -> ColumnElement[bool]:
    return exists().where(table.c.analysis == analyses.c.id, table.c.state == state)
