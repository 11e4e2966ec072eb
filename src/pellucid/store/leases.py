"""Rows that several processes share out among them: one takes a row for a time, and what it does not finish another takes up.

A taking is named by who holds it and how often the row was taken. Whoever finishes a row must name its taking, in the transaction
that writes what came of it; so if a lease ran out and another took the row, the late answer is refused and nothing is done twice.
Leases are reckoned by the clock of each process: clocks that differ cost work done again, never an answer lost or given twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, exists, select, update


class LeaseLost(Exception):
    """The row was taken up by another, or is gone; what was to be written with its end is not."""


@dataclass(frozen=True)
class Taking:
    """One taking of the row `id`."""

    id: str
    holder: str
    attempts: int


def is_due(connection: Connection, table: Table, among: ColumnElement[bool]) -> bool:
    """Is there anything to take? A look that locks nothing, for those who ask again and again."""
    return bool(connection.execute(select(exists().where(among, table.c.due <= now()))).scalar_one())


def take(
    connection: Connection, table: Table, among: ColumnElement[bool], holder: str, lease_s: float, limit: int
) -> Sequence[Row[Any]]:
    """The rows of `among` that are due, longest due first; for `lease_s` they are the holder's. None waits for another taker."""
    moment = now()
    first = select(table.c.id).where(among, table.c.due <= moment).order_by(table.c.due, table.c.id).limit(limit)
    chosen = first.with_for_update(skip_locked=True).cte("chosen")
    taking = taken_by(holder, lease_s, moment) | {"attempts": table.c.attempts + 1}
    return connection.execute(update(table).where(table.c.id.in_(select(chosen.c.id))).values(taking).returning(table)).all()


def taken_by(holder: str, lease_s: float, moment: datetime) -> dict[str, Any]:
    return {"holder": holder, "taken": moment, "due": moment + timedelta(seconds=lease_s)}


def keep(connection: Connection, table: Table, holder: str, lease_s: float, longest_s: float) -> None:
    """Lengthen every lease of the holder, but none beyond `longest_s` after it began: a thread may hang for ever."""
    moment = now()
    begun = table.c.taken > moment - timedelta(seconds=longest_s)
    connection.execute(update(table).where(table.c.holder == holder, begun).values(due=moment + timedelta(seconds=lease_s)))


def give_up(connection: Connection, table: Table, holder: str) -> None:
    """Let others take at once what the holder has not finished."""
    connection.execute(update(table).where(table.c.holder == holder).values(due=now(), holder=None))


def is_taking(table: Table, taking: Taking) -> ColumnElement[bool]:
    """Is the row still that of the taking? For the `where` of what finishes it; no row then means `LeaseLost`."""
    return and_(table.c.id == taking.id, table.c.holder == taking.holder, table.c.attempts == taking.attempts)


def now() -> datetime:
    return datetime.now(UTC)
