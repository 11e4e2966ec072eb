"""The audit log in the database: one chain, however many processes write.

    with writing(engine) as connection:
        …                                   # the change itself
        record(connection, Change(…))       # last: others who record wait from here to the end of the transaction

So no change is without its entry and no entry without its change. The head row is what orders the writers: the first to change it
holds it until his transaction ends (a row's lock in PostgreSQL, the writer's place in SQLite).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, insert, select, update

from pellucid.records.audit import GENESIS, Change, Entry, Head, Walk, chain, timestamp, walk
from pellucid.store.tables import audit, audit_head

PAGE = 1000


def record(connection: Connection, change: Change, at: datetime | None = None) -> Entry:
    """Of a transaction begun with `writing`. Raises `InvalidParameter` where the details are nothing that JSON can say."""
    grown = update(audit_head).values(seq=audit_head.c.seq + 1).returning(audit_head.c.seq, audit_head.c.hash)
    seq, previous = connection.execute(grown).one()
    entry = chain(change, Head(seq - 1, previous), at or datetime.now(UTC))
    connection.execute(insert(audit).values(asdict(entry)))
    connection.execute(update(audit_head).values(hash=entry.hash))
    return entry


def head_of(engine: Engine) -> Head:
    """The last entry, as the head row says."""
    with engine.connect() as connection:
        return Head(*connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one())


def entries(engine: Engine, after: int = 0) -> Iterator[Entry]:
    """In order. Read in pages, so that a long log holds neither memory nor a transaction."""
    statement = select(audit).order_by(audit.c.seq).limit(PAGE)
    while True:
        with engine.connect() as connection:
            rows = connection.execute(statement.where(audit.c.seq > after)).all()
        yield from (Entry(*row) for row in rows)
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


def entries_on(connection: Connection, subject: str) -> list[Entry]:
    """Of one thing, oldest first."""
    wanted = select(audit).where(audit.c.subject == subject).order_by(audit.c.seq)
    return [Entry(*row) for row in connection.execute(wanted)]


def verify(engine: Engine, since: datetime | None = None, checkpoint: Head | None = None) -> Walk:
    """Walk the chain from its beginning, or from the first entry made at or after `since` (or from an earlier checkpoint).

    The head row is a checkpoint too, so an end that was cut off is found unless that row was forged as well.
    """
    kept = {head.seq: head.hash for head in (head_of(engine), checkpoint) if head is not None}
    first = min([_first_since(engine, since), *kept]) if since is not None else 1
    before = _entry_before(engine, first)
    return walk(entries(engine, before.seq), before, kept)


def after_moment(engine: Engine, since: datetime | None) -> int:
    """The number before the first entry made at or after `since`: where an export begins."""
    return 0 if since is None else _first_since(engine, since) - 1


def _first_since(engine: Engine, since: datetime) -> int:
    """One after the last where none is so new."""
    with engine.connect() as connection:
        found = connection.execute(select(func.min(audit.c.seq)).where(audit.c.time >= timestamp(since))).scalar_one()
    return int(found) if found is not None else head_of(engine).seq + 1


def _entry_before(engine: Engine, first: int) -> Head:
    """What the walk begins from is taken at its word; it is in the chain of what comes after."""
    with engine.connect() as connection:
        found = connection.execute(select(audit.c.seq, audit.c.hash).where(audit.c.seq == first - 1)).one_or_none()
    return GENESIS if found is None else Head(*found)
