"""Kinds of columns that mean the same in SQLite and in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Dialect, Integer, String
from sqlalchemy.types import TypeDecorator

from pellucid.base.moments import in_utc

# ULIDs sort by time only where letters are compared by their code and not by a language's rules.
Id = String(26).with_variant(String(26, collation="C"), "postgresql")
# None is SQL's NULL and not the JSON text `null`.
Json = JSON(none_as_null=True)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, whatever zone it came in; one without a zone is taken as UTC. SQLite keeps no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else in_utc(value)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else in_utc(value)


def lease_columns() -> tuple[Column[Any], ...]:
    """What a row needs that several processes share out among them (store/leases.py).

    `due` is when it may be taken: for one that is taken, the end of the lease. `holder` and `attempts` name one taking.
    """
    return (
        Column("due", Moment, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("holder", String(26)),
        Column("taken", Moment),
    )
