"""Hash banks as they are kept. A new list is written beside the old one and taken into use by one small change.

A million entries take a minute to write: in one transaction they would keep every other writer of SQLite waiting. Whoever reads
meanwhile sees the old list or the new one, never half of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from pellucid.base.errors import NotFound
from pellucid.base.ids import new_id
from pellucid.records.audit import Change
from pellucid.records.bank import Bank, BankRule, Entry
from pellucid.store.audit import record
from pellucid.store.database import writing
from pellucid.store.leases import now
from pellucid.store.tables import bank_entries, banks

BATCH = 2000
# A list that no bank names and that is older than this was left by an import that did not end.
LEFT_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class BankInForce:
    """A bank with the name of the list that holds now: where both are the same, so are the entries."""

    bank: Bank
    list: str


def all_banks(database: Engine) -> tuple[BankInForce, ...]:
    """By name."""
    with database.connect() as connection:
        return tuple(_listed(row) for row in connection.execute(select(banks).order_by(banks.c.name)))


def bank_named(database: Engine, name: str) -> BankInForce:
    """Raises `NotFound`."""
    with database.connect() as connection:
        row = connection.execute(select(banks).where(banks.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"there is no bank {name!r}")
    return _listed(row)


def import_bank(database: Engine, rule: BankRule, entries: Sequence[Entry], actor: str) -> Bank:
    """The bank of the rule's name holds just these `entries` from now on; it is made where there is none."""
    name = _write(database, entries)
    with writing(database) as connection:
        known = connection.execute(select(banks.c.version, banks.c.list).where(banks.c.name == rule.name)).one_or_none()
        count = select(func.count()).select_from(bank_entries).where(bank_entries.c.list == name)
        values = rule.model_dump() | {"entries": connection.execute(count).scalar_one(), "changed": now(), "list": name}
        if known is None:
            connection.execute(insert(banks).values(version=1, **values))
        else:
            connection.execute(update(banks).where(banks.c.name == rule.name).values(version=known.version + 1, **values))
        told = {"action": rule.action, "bound": rule.bound, "entries": values["entries"]}
        record(connection, Change(actor=actor, action="bank.imported", subject=rule.name, details=told))
    for old in [*([] if known is None else [known.list]), *_left(database)]:
        _erase(database, old)
    return bank_named(database, rule.name).bank


def remove_bank(database: Engine, name: str, actor: str) -> None:
    """Matches found before stay in the log. Raises `NotFound`."""
    old = bank_named(database, name).list
    with writing(database) as connection:
        connection.execute(delete(banks).where(banks.c.name == name))
        record(connection, Change(actor=actor, action="bank.removed", subject=name))
    _erase(database, old)


def entries_in(database: Engine, listing: str) -> Iterator[Row[*tuple[Any, ...]]]:
    """(number, pdq, reference, tags) of every entry, a few thousand in memory at a time."""
    columns = (bank_entries.c.number, bank_entries.c.pdq, bank_entries.c.reference, bank_entries.c.tags)
    statement = select(*columns).where(bank_entries.c.list == listing).order_by(bank_entries.c.number)
    with database.connect() as connection:
        yield from connection.execution_options(yield_per=BATCH).execute(statement)


def references_of(database: Engine, numbers: Sequence[int]) -> Mapping[int, str | None]:
    """By what name the source of each entry knows it."""
    statement = select(bank_entries.c.number, bank_entries.c.reference).where(bank_entries.c.number.in_(numbers))
    with database.connect() as connection:
        return {row.number: row.reference for row in connection.execute(statement)}


def _write(database: Engine, entries: Sequence[Entry]) -> str:
    """A list of its own, by batches: others may write in between."""
    name = new_id()
    for start in range(0, len(entries), BATCH):
        rows = [
            {"list": name, "pdq": bytes.fromhex(entry.pdq), "reference": entry.reference, "tags": entry.tags}
            for entry in entries[start : start + BATCH]
        ]
        with writing(database) as connection:
            connection.execute(insert(bank_entries), rows)
    return name


def _left(database: Engine) -> list[str]:
    """Lists in use by no bank, of imports that began long ago: their names begin with the time."""
    before = new_id(datetime.now(UTC) - LEFT_AFTER)
    unused = select(bank_entries.c.list).distinct().where(bank_entries.c.list < before)
    with database.connect() as connection:
        return list(connection.execute(unused.where(bank_entries.c.list.not_in(select(banks.c.list)))).scalars())


def _erase(database: Engine, listing: str) -> None:
    batch = select(bank_entries.c.number).where(bank_entries.c.list == listing).limit(BATCH)
    while True:
        with writing(database) as connection:
            if _deleted(connection, batch) < BATCH:
                return


def _deleted(connection: Connection, batch: Any) -> int:
    return connection.execute(delete(bank_entries).where(bank_entries.c.number.in_(batch))).rowcount


def _listed(row: Row[*tuple[Any, ...]]) -> BankInForce:
    values = row._asdict()
    name = values.pop("list")
    return BankInForce(Bank.model_validate(values), name)
