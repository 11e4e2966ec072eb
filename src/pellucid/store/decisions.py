"""Decisions of a period and what people said of them: what statements of reasons and transparency reports are made from.

A decision is of the moment at which it was made: of the ruling in force, or of the analysis where nobody ruled. What an earlier
copy inherits was decided when the other picture was ruled on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, and_, exists, func, or_, select, true

from pellucid.records.label import LABELS, Ruling
from pellucid.records.report import Decision, Report
from pellucid.store.recourse import ruling_of
from pellucid.store.tables import analyses, appeals, flags, rulings

PAGE = 200
_INHERITED = rulings.alias("inherited")
AI = [verdict for verdict, label in LABELS.items() if label == "ai"]


@dataclass(frozen=True)
class Period:
    """`since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        conditions = [] if self.since is None else [column >= self.since]
        return and_(true(), *conditions, *([] if self.until is None else [column < self.until]))


@dataclass(frozen=True)
class Decided:
    """`ruling` is the one in force; `flagged`: a user had flagged the picture before it."""

    report: Report
    ruling: Ruling | None
    flagged: bool


@dataclass(frozen=True)
class Outcome:
    """An appeal with the ruling that closed it, and how long that took; None where it is open."""

    made: datetime
    stood: str
    ruling: Ruling | None
    closed: datetime | None


def decided_one(connection: Connection, analysis_id: str) -> Decided | None:
    """None where it is not answered, or deleted."""
    return next(_decided(connection, [analyses.c.id == analysis_id], 1), None)


def decided_in(
    connection: Connection, period: Period, decisions: Sequence[Decision], after: str = "", limit: int = PAGE
) -> list[Decided]:
    """Those with one of `decisions` or a verdict of AI, by id; `after` is the last id of the page before."""
    theirs = _INHERITED.c.created
    moment = or_(
        and_(rulings.c.id.is_not(None), period.holds(rulings.c.created)),
        and_(rulings.c.id.is_(None), theirs > analyses.c.created, period.holds(theirs)),
        and_(rulings.c.id.is_(None), or_(theirs.is_(None), theirs <= analyses.c.created), period.holds(analyses.c.created)),
    )
    restricted = or_(analyses.c.decision.in_(decisions), analyses.c.verdict.in_(AI))
    return list(_decided(connection, [moment, restricted, analyses.c.id > after], limit))


def counted(connection: Connection, table: Table, by: str, period: Period) -> dict[str, int]:
    """How many rows of the period have each value of the column `by`."""
    column = table.c[by]
    wanted = select(column, func.count()).where(period.holds(table.c.created), column.is_not(None)).group_by(column)
    return {str(value): int(number) for value, number in connection.execute(wanted.order_by(column))}


def accused_by_machine(connection: Connection, period: Period) -> int:
    """Pictures whose evidence said AI before anyone ruled: those that still stand so, and those ruled on.

    An heir's verdict is the moderator's whose ruling it inherits, so it is among neither.
    """
    ruled_on = exists().where(rulings.c.analysis == analyses.c.id, rulings.c.state == "in_force")
    unruled = (
        select(func.count())
        .select_from(analyses)
        .where(period.holds(analyses.c.created), analyses.c.verdict.in_(AI), analyses.c.inherits.is_(None), ~ruled_on)
    )
    ruled = (
        select(func.count())
        .select_from(rulings.join(analyses, analyses.c.id == rulings.c.analysis))
        .where(period.holds(analyses.c.created), rulings.c.state == "in_force", rulings.c.machine.in_(AI))
    )
    return int(connection.execute(unruled).scalar_one()) + int(connection.execute(ruled).scalar_one())


def outcomes(connection: Connection, period: Period) -> Iterator[Outcome]:
    """Of the appeals that were made in the period."""
    columns = [appeals.c.created.label("made"), appeals.c.stood.label("appealed"), appeals.c.closed, *_ruling_columns()]
    wanted = select(*columns).join_from(appeals, rulings, appeals.c.ruling == rulings.c.id, isouter=True)
    for row in connection.execute(wanted.where(period.holds(appeals.c.created)).order_by(appeals.c.id)).mappings():
        yield Outcome(row["made"], row["appealed"], _ruling(row), row["closed"])


def flag_times(connection: Connection, period: Period) -> list[float]:
    """Seconds from each flag of the period to the ruling that closed it."""
    wanted = select(flags.c.created, flags.c.closed).where(period.holds(flags.c.created), flags.c.closed.is_not(None))
    return [(row.closed - row.created).total_seconds() for row in connection.execute(wanted)]


def votes_by_round(connection: Connection, period: Period) -> dict[str, list[tuple[str, str]]]:
    """(actor, verdict) of every vote that was not withdrawn, in order, by round."""
    wanted = select(rulings.c.round, rulings.c.actor, rulings.c.verdict).where(
        period.holds(rulings.c.created), rulings.c.state != "withdrawn"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(wanted.order_by(rulings.c.id)):
        found.setdefault(row.round, []).append((row.actor, row.verdict))
    return found


def ruled_in(database: Engine, period: Period) -> Iterator[tuple[Report, Ruling]]:
    """Every ruling in force of the period with the report of its own picture, oldest first; read in pages."""
    last = ""
    while True:
        wanted = select(analyses.c.report, *_ruling_columns()).join_from(rulings, analyses, analyses.c.id == rulings.c.analysis)
        among = (rulings.c.state == "in_force", period.holds(rulings.c.created), analyses.c.state == "answered")
        with database.connect() as connection:
            rows = (
                connection.execute(wanted.where(*among, rulings.c.id > last).order_by(rulings.c.id).limit(PAGE)).mappings().all()
            )
        for row in rows:
            yield Report.model_validate(row["report"]), ruling_of(_ruling_fields(row))
        if len(rows) < PAGE:
            return
        last = rows[-1]["ruling_id"]


def _decided(connection: Connection, conditions: Sequence[ColumnElement[bool]], limit: int) -> Iterator[Decided]:
    in_force = and_(rulings.c.analysis == analyses.c.id, rulings.c.state == "in_force")
    inherited = and_(_INHERITED.c.analysis == analyses.c.inherits, _INHERITED.c.state == "in_force")
    flagged = exists().where(flags.c.analysis == analyses.c.id, flags.c.created <= rulings.c.created)
    wanted = select(analyses.c.report, flagged.label("flagged"), *_ruling_columns())
    wanted = wanted.join_from(analyses, rulings, in_force, isouter=True).join(_INHERITED, inherited, isouter=True)
    wanted = wanted.where(analyses.c.state == "answered", *conditions)
    for row in connection.execute(wanted.order_by(analyses.c.id).limit(limit)).mappings():
        yield Decided(Report.model_validate(row["report"]), _ruling(row), bool(row["flagged"]))


def _ruling_columns() -> list[ColumnElement[Any]]:
    return [column.label(f"ruling_{column.name}") for column in rulings.c]


def _ruling(row: RowMapping) -> Ruling | None:
    return ruling_of(_ruling_fields(row)) if row["ruling_id"] else None


def _ruling_fields(row: RowMapping) -> dict[str, Any]:
    return {column.name: row[f"ruling_{column.name}"] for column in rulings.c}
