"""SQLite or PostgreSQL behind one engine, and the one way to write: `with writing(engine) as connection`.

SQLite lets one write at a time. A transaction that reads first and writes then would fail half-way where another came between,
so a writing one takes the writer's place at its beginning (BEGIN IMMEDIATE) and waits its turn there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError

from pellucid.base.errors import ConfigError

BUSY_TIMEOUT_S = 30
CONNECTIONS = 16
MOST_SAID = 300
WRITES = "pellucid_writes"
LOSABLE = "pellucid_losable"


def open_database(url: str) -> Engine:
    """`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; nothing is asked of it yet. Raises `ConfigError`.

    Errors of the database are told without what was asked of it: that is people's pictures and words.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("PELLUCID_DATABASE_URL is no address; allowed is sqlite:///FILE or postgresql://HOST/NAME") from error
    try:
        match address.get_backend_name():
            case "sqlite":
                return _open_sqlite(address)
            case "postgresql":
                return _open_postgresql(address)
    except (ArgumentError, ImportError) as error:
        raise ConfigError(f"PELLUCID_DATABASE_URL names the driver {address.drivername}, which is not here") from error
    raise ConfigError(f"PELLUCID_DATABASE_URL is for {address.get_backend_name()}; allowed are sqlite and postgresql")


def file_in(folder: Path) -> Path:
    """Where the database of one machine lies."""
    return folder / "pellucid.sqlite"


def is_made(folder: Path) -> bool:
    return file_in(folder).is_file()


def check_reached(engine: Engine) -> None:
    """Raises `ConfigError`, without the address, where the database cannot be connected to."""
    try:
        engine.connect().close()
    except (DBAPIError, sqlite3.Error) as error:
        said = " ".join(str(getattr(error, "orig", error)).split())[:MOST_SAID]
        raise ConfigError(f"the database cannot be reached: {said}; PELLUCID_DATABASE_URL and --data say where it is") from None


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that writes; committed at the end of the block, rolled back where it raises."""
    return engine.execution_options(**{WRITES: True}).begin()


def counting(engine: Engine) -> AbstractContextManager[Connection]:
    """As `writing`, for a counter that may lose its last steps with the power: its commit does not wait for the disk."""
    return engine.execution_options(**{WRITES: True, LOSABLE: True}).begin()


def add_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Was `row` added? Not where its key is there already; one that is written at this moment is waited for."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(insert(table).values(row).on_conflict_do_nothing()).rowcount == 1


def _open_sqlite(address: URL) -> Engine:
    connect = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = create_engine(address, connect_args=connect, pool_size=CONNECTIONS, hide_parameters=True)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _open_postgresql(address: URL) -> Engine:
    """By pg8000 (BSD) where the address names no driver."""
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+pg8000")
    engine = create_engine(address, pool_size=CONNECTIONS, pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    # Python's driver would begin transactions by its own rules, and leave table changes out of them.
    connection.isolation_level = None
    # FULL: a report that was sent must still be there after the power fails.
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(WRITES):
        # The next transaction that may not be lost flushes this one with it. Inside a transaction it cannot be set.
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get(LOSABLE) else 'FULL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(WRITES) else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(LOSABLE):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
