"""Idempotency keys: the same request sent again finds the analysis that the first one began.

A key is written in the transaction that accepts the picture: of two requests that come at once one accepts, the other finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from pellucid.base.errors import IdempotencyMismatch
from pellucid.store.database import add_new
from pellucid.store.leases import now
from pellucid.store.tables import idempotency


@dataclass(frozen=True)
class Key:
    """`owner` says whose key it is, `fingerprint` what was sent with it."""

    owner: str
    key: str
    fingerprint: str
    expires: datetime


def find_key(connection: Connection, key: Key) -> str | None:
    """The analysis the key stands for. Raises `IdempotencyMismatch` where it was used for something else."""
    columns = idempotency.c
    found = select(columns.fingerprint, columns.analysis).where(
        columns.owner == key.owner, columns.key == key.key, columns.expires > now()
    )
    row = connection.execute(found).one_or_none()
    if row is None:
        return None
    if row.fingerprint != key.fingerprint:
        raise IdempotencyMismatch(
            f"the Idempotency-Key {key.key[:80]!r} was used for another picture, file name or declaration; use a new one"
        )
    return str(row.analysis)


def add_key(connection: Connection, key: Key, analysis_id: str) -> str | None:
    """None where the key now stands for `analysis_id`, else the analysis it stands for already. Raises as `find_key`."""
    columns = idempotency.c
    connection.execute(delete(idempotency).where(columns.owner == key.owner, columns.key == key.key, columns.expires <= now()))
    row = {
        "owner": key.owner, "key": key.key, "fingerprint": key.fingerprint, "analysis": analysis_id, "expires": key.expires,
    }  # fmt: skip
    # Where another request writes the same key at this moment, this one waits for the end of its transaction.
    return None if add_new(connection, idempotency, row) else find_key(connection, key)


def forget_expired(connection: Connection) -> None:
    connection.execute(delete(idempotency).where(idempotency.c.expires <= now()))
