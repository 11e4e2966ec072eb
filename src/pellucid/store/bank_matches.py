"""Every match of an upload with a hash bank, kept for the site's legal reporting: written with the answer, erased by nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from pellucid.base.ids import new_id
from pellucid.records.bank import MatchEntry
from pellucid.records.report import BankAction, BankMatch, Report
from pellucid.store.analyses import storable
from pellucid.store.leases import now
from pellucid.store.tables import bank_matches

PAGE = 500


@dataclass(frozen=True)
class MatchFilters:
    """Which matches; `since` is included, `until` is not."""

    bank: str | None = None
    action: BankAction | None = None
    analysis: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def log_matches(connection: Connection, report: Report) -> None:
    """In the transaction that stores the report."""
    upload = {"analysis": report.id, "at": now(), "sha256": report.image.sha256, "pdq": report.image.pdq}
    rows = [{"id": new_id(), "source": storable(report.source), **upload, **match.model_dump()} for match in report.matches]
    if rows:
        connection.execute(insert(bank_matches), rows)


def logged_matches(database: Engine, filters: MatchFilters, after: str | None, limit: int) -> tuple[MatchEntry, ...]:
    """Oldest first, those logged after the entry `after`."""
    table = bank_matches.c
    conditions = [
        None if filters.bank is None else table.bank == filters.bank,
        None if filters.action is None else table.action == filters.action,
        None if filters.analysis is None else table.analysis == filters.analysis,
        None if filters.since is None else table.at >= filters.since,
        None if filters.until is None else table.at < filters.until,
        None if after is None else table.id > after,
    ]
    statement = select(bank_matches).where(*[condition for condition in conditions if condition is not None])
    with database.connect() as connection:
        return tuple(_entry(row) for row in connection.execute(statement.order_by(table.id).limit(limit)))


def all_logged_matches(database: Engine, filters: MatchFilters) -> Iterator[MatchEntry]:
    """Oldest first, a page in memory at a time."""
    after: str | None = None
    while page := logged_matches(database, filters, after, PAGE):
        yield from page
        after = page[-1].id


def _entry(row: Row[Any]) -> MatchEntry:
    values = row._asdict()
    match = BankMatch(**{name: values.pop(name) for name in BankMatch.model_fields})
    return MatchEntry(match=match, **values)
