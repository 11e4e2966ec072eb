"""Deletion: of an analysis stays when it came, how it was judged, and when and why it was deleted. All else goes.

Which tables hold something of an analysis, and which columns name objects, they say themselves (tables/metadata.py), so a new
table is never forgotten here. An object goes with the last row that names it. Accepting and deleting the same bytes exclude each
other (`lock_object`), so that an object never goes while a row is being written that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, exists, select, text, update

from pellucid.base.errors import NotFound
from pellucid.store.leases import now
from pellucid.store.objects import Objects
from pellucid.store.tables import METADATA, analyses, jobs

STAYS = ("id", "created", "verdict", "decision", "bundle")
WHY_LENGTH = 200


def erase(connection: Connection, objects: Objects, analysis_id: str, why: str) -> bool:
    """Whether there was anything to delete: False where it was deleted before. Raises `NotFound`.

    Bytes go before the transaction ends: if that fails, the row stands without its bytes and is deleted at the next try; the
    other way round bytes would stay that no row names.
    """
    _hold(connection, analysis_id)
    names = _names(connection, analyses, analyses.c.id, analysis_id)
    for table, column in _erased_tables():
        names |= _names(connection, table, column, analysis_id)
        connection.execute(delete(table).where(column == analysis_id))
    emptied: dict[str, Any] = {column.name: None for column in analyses.c if column.name not in STAYS}
    tombstone = emptied | {"state": "deleted", "settled": now(), "deleted_why": why[:WHY_LENGTH]}
    standing = (analyses.c.id == analysis_id, analyses.c.state != "deleted")
    if connection.execute(update(analyses).where(*standing).values(tombstone)).rowcount == 0:
        _check_known(connection, analysis_id)
        return False
    for name in sorted(names):
        release(connection, objects, name)
    return True


def release(connection: Connection, objects: Objects, name: str) -> None:
    """Delete the object if no row names it any more."""
    lock_object(connection, name)
    if not any(connection.execute(select(exists().where(column == name))).scalar_one() for column in _object_columns()):
        objects.delete(name)


def unnamed(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those objects that no row names."""
    columns = _object_columns()
    named = {name for column in columns for name in connection.execute(select(column).where(column.in_(names))).scalars()}
    return [name for name in names if name not in named]


def release_picture(connection: Connection, objects: Objects, analysis_id: str) -> None:
    """Its bytes go and its row stays: of what turned out to be no picture nothing is kept but the problem."""
    names = _names(connection, analyses, analyses.c.id, analysis_id)
    connection.execute(update(analyses).where(analyses.c.id == analysis_id).values(sha256=None))
    for name in names:
        release(connection, objects, name)


def lock_object(connection: Connection, name: str) -> None:
    """Until the transaction ends nobody else accepts or deletes this object. On SQLite no other transaction writes anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int(name[:15], 16)})


def _hold(connection: Connection, analysis_id: str) -> None:
    """From here on nobody adds anything to the analysis. In the order in which an answer takes them, its job before its row."""
    connection.execute(delete(jobs).where(jobs.c.id == analysis_id))
    connection.execute(select(analyses.c.id).where(analyses.c.id == analysis_id).with_for_update())


def _erased_tables() -> list[tuple[Table, Column[Any]]]:
    return [(table, table.c[table.info["erased_by"]]) for table in METADATA.sorted_tables if "erased_by" in table.info]


def _object_columns() -> list[Column[Any]]:
    return [column for table in METADATA.sorted_tables for column in table.c if column.info.get("object")]


def _names(connection: Connection, table: Table, column: Column[Any], analysis_id: str) -> set[str]:
    """The objects that rows of the analysis name."""
    found = [each for each in table.c if each.info.get("object")]
    if not found:
        return set()
    rows = connection.execute(select(*found).where(column == analysis_id)).all()
    return {name for row in rows for name in row if name is not None}


def _check_known(connection: Connection, analysis_id: str) -> None:
    if not connection.execute(select(exists().where(analyses.c.id == analysis_id))).scalar_one():
        raise NotFound(f"there is no analysis {analysis_id!r}")
