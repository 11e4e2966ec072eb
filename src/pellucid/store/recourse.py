"""Flags, appeals and rulings of an analysis: changes and questions within a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, select, update

from pellucid.base.errors import AppealOpen
from pellucid.base.ids import new_id
from pellucid.records.label import Appeal, AppealWish, Flag, FlagWish, Openness, Ruling, RulingState
from pellucid.records.report import Report, VerdictLabel
from pellucid.store.analyses import answered, standing_of
from pellucid.store.tables import analyses, appeals, flags, ruled, rulings


def hold_row(connection: Connection, analysis_id: str) -> None:
    """Nobody else rules on it, answers or deletes it before this transaction ends."""
    connection.execute(select(analyses.c.id).where(analyses.c.id == analysis_id).with_for_update())


def hold(connection: Connection, analysis_id: str) -> Report:
    """Its report, which nobody else changes before this transaction ends. Raises `NotFound`, `Deleted`, `NotAnswered`, …"""
    hold_row(connection, analysis_id)
    return answered(standing_of(connection, analysis_id))


def add_flag(connection: Connection, analysis_id: str, wish: FlagWish, actor: str, at: datetime) -> Flag:
    values = {"id": new_id(), "analysis": analysis_id, "created": at, "actor": actor, "says": wish.says, "note": wish.note}
    connection.execute(insert(flags).values(values | {"state": "open"}))
    return Flag(**values | {"created": at.isoformat()})


def add_appeal(
    connection: Connection, analysis_id: str, wish: AppealWish, stood: VerdictLabel, actor: str, at: datetime
) -> Appeal:
    """Raises `AppealOpen` where one is not answered yet."""
    is_open = (appeals.c.analysis == analysis_id, appeals.c.state == "open")
    if (before := connection.execute(select(appeals.c.id).where(*is_open)).scalar()) is not None:
        raise AppealOpen(f"the appeal {before} on this analysis is not answered yet; wait for its ruling")
    values = {"id": new_id(), "analysis": analysis_id, "created": at, "actor": actor, "reason": wish.reason, "stood": stood}
    connection.execute(insert(appeals).values(values | {"state": "open"}))
    return Appeal(**values | {"created": at.isoformat()})


def add_ruling(connection: Connection, ruling: Ruling) -> None:
    connection.execute(insert(rulings).values(ruling.model_dump() | {"created": datetime.fromisoformat(ruling.created)}))


def set_states(connection: Connection, states: Mapping[str, RulingState]) -> None:
    for ruling_id, state in states.items():
        connection.execute(update(rulings).where(rulings.c.id == ruling_id).values(state=state))


def close_all(connection: Connection, analysis_id: str, ruling_id: str, at: datetime) -> None:
    """Every appeal and flag that is open is answered by the ruling."""
    for table, values in ((appeals, {"ruling": ruling_id}), (flags, {})):
        among = (table.c.analysis == analysis_id, table.c.state == "open")
        connection.execute(update(table).where(*among).values(state="closed", closed=at, **values))


def set_ruled(connection: Connection, ruling: Ruling, sha256: str, hashes: Iterable[str]) -> None:
    """In place of what was kept of the picture under an earlier ruling."""
    connection.execute(delete(ruled).where(ruled.c.analysis == ruling.analysis))
    values = {"analysis": ruling.analysis, "ruling": ruling.id, "verdict": ruling.verdict, "sha256": sha256}
    connection.execute(insert(ruled).values(values | {"hashes": list(hashes)}))


def heirs_of(connection: Connection, analysis_id: str) -> list[Report]:
    """Reports that inherit the ruling on `analysis_id`."""
    wanted = select(analyses.c.report).where(analyses.c.inherits == analysis_id, analyses.c.state == "answered")
    return [Report.model_validate(row.report) for row in connection.execute(wanted.with_for_update())]


def flags_on(connection: Connection, analysis_id: str) -> list[Flag]:
    return [Flag(**_texts(row)) for row in _rows(connection, flags, analysis_id)]


def appeals_on(connection: Connection, analysis_id: str) -> list[Appeal]:
    return [Appeal(**_texts(row)) for row in _rows(connection, appeals, analysis_id)]


def appeals_in(connection: Connection, state: Openness, limit: int, after: str = "") -> list[tuple[Appeal, Ruling | None]]:
    """Open ones, the oldest first, or closed ones, the newest first, each with the ruling that closed it; `after` is an id."""
    closed = state == "closed"
    order = appeals.c.id.desc() if closed else appeals.c.id
    behind = [] if not after else [appeals.c.id < after if closed else appeals.c.id > after]
    rows = connection.execute(select(appeals).where(appeals.c.state == state, *behind).order_by(order).limit(limit)).mappings()
    found = [Appeal(**_texts(row)) for row in rows]
    by_id = select(rulings).where(rulings.c.id.in_([each.ruling for each in found if each.ruling]))
    closing = {row["id"]: ruling_of(row) for row in connection.execute(by_id).mappings()}
    return [(each, closing.get(each.ruling or "")) for each in found]


def rulings_on(connection: Connection, analysis_id: str) -> list[Ruling]:
    """Oldest first, the corrected and outvoted ones too."""
    return [ruling_of(row) for row in _rows(connection, rulings, analysis_id)]


def ruling_with(connection: Connection, ruling_id: str) -> Ruling | None:
    row = connection.execute(select(rulings).where(rulings.c.id == ruling_id)).mappings().one_or_none()
    return ruling_of(row) if row else None


def ruling_in_force(connection: Connection, analysis_id: str) -> Ruling | None:
    wanted = select(rulings).where(rulings.c.analysis == analysis_id, rulings.c.state == "in_force")
    row = connection.execute(wanted).mappings().one_or_none()
    return ruling_of(row) if row else None


def ruled_picture(connection: Connection, analysis_id: str) -> dict[str, Any] | None:
    """What is kept of the picture to find it by, while a ruling on it is in force."""
    row = connection.execute(select(ruled).where(ruled.c.analysis == analysis_id)).mappings().one_or_none()
    return dict(row) if row else None


def ruling_of(fields: Mapping[Any, Any]) -> Ruling:
    """The record of a row, given by the names of its columns."""
    return Ruling(**_texts(fields))


def rulings_version(connection: Connection) -> tuple[Any, ...]:
    """Changes whenever a ruling comes into force or the picture of one goes."""
    return tuple(connection.execute(select(func.max(ruled.c.ruling), func.count())).one())


def all_ruled(connection: Connection) -> list[dict[str, Any]]:
    """What is kept of every picture on which a ruling is in force, by the names of its columns."""
    return [dict(row) for row in connection.execute(select(ruled).order_by(ruled.c.ruling)).mappings()]


def _rows(connection: Connection, table: Table, analysis_id: str) -> Iterable[RowMapping]:
    return connection.execute(select(table).where(table.c.analysis == analysis_id).order_by(table.c.id)).mappings()


def _texts(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """As the records have them: moments as texts."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
