"""The table of analyses: SQLite here, written so that another SQL database can stand in its place.

A row keeps the whole report as JSON, and beside it the few columns that lists are filtered by.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    Float,
    Index,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.schema import CreateIndex, CreateTable

METADATA = MetaData()

# ULIDs sort by time, so the primary key is also the order of every list.
analyses = Table(
    "analyses",
    METADATA,
    Column("id", String(26), primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("source", String(1024)),
    Column("sha256", String(64), nullable=False, index=True),
    Column("pdq", String(64)),
    Column("verdict", String(16), nullable=False),
    Column("decision", String(16)),
    Column("probability", Float),
    Column("bundle", String(128), nullable=False),
    Column("report", JSON, nullable=False),
    Column("embedding", LargeBinary),
    Index("analyses_by_verdict", "verdict", "id"),
    Index("analyses_by_decision", "decision", "id"),
    Index("analyses_by_created", "created"),
)


def open_sqlite(file: Path) -> Engine:
    """The database in `file`, its tables made where absent. Write-ahead logging: readers never wait for the writer."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _set_pragmas)
    _make_tables(engine)
    return engine


def _make_tables(engine: Engine) -> None:
    """Two processes may open a new database at once, so that looking first and making then is not enough."""
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))


def page_of(
    *,
    verdict: str | None,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
    before: str | None,
    limit: int,
) -> Select[Any]:
    """Reports newest first: those older than the id `before`, made at or after `since` and before `until`."""
    statement = select(analyses.c.id, analyses.c.report).order_by(analyses.c.id.desc()).limit(limit)
    conditions = [
        None if verdict is None else analyses.c.verdict == verdict,
        None if decision is None else analyses.c.decision == decision,
        None if since is None else analyses.c.created >= since,
        None if until is None else analyses.c.created < until,
        None if before is None else analyses.c.id < before,
    ]
    return statement.where(*[condition for condition in conditions if condition is not None])


def _set_pragmas(connection: Any, _record: object) -> None:
    # FULL: a report that was sent must still be there after the power fails.
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
