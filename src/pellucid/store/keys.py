"""API keys in the database: made, listed, rotated, revoked, and asked on every request.

The rate is a token bucket, one column of the key's row: when it will be full again. A request moves that moment on by one token,
if it may, in a single statement, so that several processes share one bucket; a key without a rate costs a read only.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, case, insert, select, update

from pellucid.base.errors import KeyNotActive, NotFound, Unauthorized
from pellucid.records.actor import Actor, Roles, in_order
from pellucid.records.audit import Change
from pellucid.records.key import WINDOW_S, Allowance, Key, KeyWish, Secret, allowance, state_of, token_s
from pellucid.store.audit import record
from pellucid.store.database import counting, writing
from pellucid.store.tables import api_keys

# No SHA-256 in hex: nothing matches it.
NOBODY = "-" * 64
UNKNOWN = "the API key is not one of this service's"


@dataclass(frozen=True)
class Admission:
    """Who asks, and what his key's rate still allows; None where it has none."""

    actor: Actor
    allowance: Allowance | None = None


def create_key(engine: Engine, wish: KeyWish, roles: Roles, actor: str, at: datetime) -> tuple[Key, Secret]:
    """Raises `InvalidParameter` where there is no such role."""
    scopes = in_order(roles.scopes(wish.role) if wish.role else wish.scopes)
    secret = Secret.drawn()
    expires = None if wish.expires_in_days is None else at + timedelta(days=wish.expires_in_days)
    row = {"id": secret.id, "name": wish.name, "scopes": scopes, "created": at, "expires": expires, "per_minute": wish.per_minute}
    told = {"name": wish.name, "scopes": scopes, "role": wish.role, "expires": _text(expires), "per_minute": wish.per_minute}
    with writing(engine) as connection:
        connection.execute(insert(api_keys).values(**row, hash=secret.hash, bucket_full=0.0))
        record(connection, Change(actor=actor, action="key.created", subject=secret.id, details=told), at)
        return _key(_row(connection, secret.id), at), secret


def all_keys(engine: Engine, at: datetime) -> list[Key]:
    """Oldest first, the revoked ones too."""
    with engine.connect() as connection:
        rows = connection.execute(select(api_keys).order_by(api_keys.c.id)).mappings().all()
    return [_key(row, at) for row in rows]


def rotate_key(engine: Engine, key_id: str, overlap: timedelta, actor: str, at: datetime) -> tuple[Key, Secret]:
    """A new secret; the one before it is let in for `overlap` more, older ones no more. Raises `NotFound` or `KeyNotActive`."""
    secret = Secret.drawn(key_id)
    with writing(engine) as connection:
        row = _row(connection, key_id)
        if (state := state_of(row["revoked"], row["expires"], at)) != "active":
            raise KeyNotActive(f"the key {key_id} is {state}; make a new one")
        until = at + overlap
        changed = {"hash": secret.hash, "previous_hash": row["hash"], "overlap_until": until}
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(changed))
        told = {"name": row["name"], "overlap_until": _text(until)}
        record(connection, Change(actor=actor, action="key.rotated", subject=key_id, details=told), at)
        return _key(_row(connection, key_id), at), secret


def revoke_key(engine: Engine, key_id: str, actor: str, at: datetime) -> Key:
    """At once, in every process; a second time changes nothing. Raises `NotFound`."""
    with writing(engine) as connection:
        row = _row(connection, key_id)
        if row["revoked"] is None:
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked=at))
            told = Change(actor=actor, action="key.revoked", subject=key_id, details={"name": row["name"]})
            record(connection, told, at)
        return _key(_row(connection, key_id), at)


def admit(engine: Engine, sent: Secret, at: datetime) -> Admission:
    """Who holds this key, one request being counted. Raises `Unauthorized`."""
    with engine.connect() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == sent.id)).mappings().one_or_none()
    # An unknown id is compared too, so that the time taken does not say which ids exist.
    current = hmac.compare_digest(row["hash"] if row else NOBODY, sent.hash)
    earlier = hmac.compare_digest((row and row["previous_hash"]) or NOBODY, sent.hash)
    if row is None or not (current or (earlier and row["overlap_until"] > at)):
        raise Unauthorized(UNKNOWN)
    if (state := state_of(row["revoked"], row["expires"], at)) != "active":
        raise Unauthorized(f"the API key is {state}; ask for another")
    return Admission(Actor(name=row["name"], scopes=frozenset(row["scopes"]), key=row["id"]), _count(engine, row, at))


def _count(engine: Engine, row: RowMapping, at: datetime) -> Allowance | None:
    """Note the day, and take a token where there is a rate."""
    if row["per_minute"] is None:
        if row["last_used"] != at.date():
            with counting(engine) as connection:
                connection.execute(update(api_keys).where(api_keys.c.id == row["id"]).values(last_used=at.date()))
        return None
    return _take(engine, row["id"], row["per_minute"], at)


def _take(engine: Engine, key_id: str, per_minute: int, at: datetime) -> Allowance:
    """The bucket is empty when it needs a whole window to be full; it is never fuller than full."""
    second, full = at.timestamp(), api_keys.c.bucket_full
    taken = (
        update(api_keys)
        .where(api_keys.c.id == key_id, full <= second + WINDOW_S - token_s(per_minute))
        .values(bucket_full=case((full > second, full), else_=second) + token_s(per_minute), last_used=at.date())
        .returning(full)
    )
    with counting(engine) as connection:
        after = connection.execute(taken).scalar_one_or_none()
    if after is not None:
        return allowance(per_minute, after, second, refused=False)
    with engine.connect() as connection:
        empty = connection.execute(select(full).where(api_keys.c.id == key_id)).scalar_one()
    return allowance(per_minute, empty, second, refused=True)


def _row(connection: Connection, key_id: str) -> RowMapping:
    found = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
    if found is None:
        raise NotFound(f"there is no API key {key_id!r}")
    return found


def _key(row: RowMapping, at: datetime) -> Key:
    shown: dict[str, Any] = {name: row[name] for name in Key.model_fields if name != "state"}
    return Key(**shown, state=state_of(row["revoked"], row["expires"], at))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
