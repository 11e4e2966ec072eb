"""Sessions of the console in the database: begun at a sign-in, found by the hash of their token, over when idle or old.

A session is good for what its account may at this moment: who is disabled is out with the next request, in every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, or_, select, update

from pellucid.base.settings import Settings
from pellucid.records.actor import Actor
from pellucid.records.session import Token
from pellucid.store.database import counting, writing
from pellucid.store.tables import accounts, sessions

# `seen` is written at most so often: a page with twenty pictures is one write.
SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts without a request, and at most."""

    idle: timedelta
    whole: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))


def begin_session(connection: Connection, account: str, at: datetime) -> Token:
    """A new one with a token of its own. In a transaction begun with `writing`."""
    token = Token.drawn()
    connection.execute(insert(sessions).values(hash=token.hash, account=account, begun=at, seen=at))
    return token


def session_of(engine: Engine, token: Token, lifetime: Lifetime, at: datetime) -> Actor | None:
    """Who has signed in with it; None where it is over, unknown, or its account disabled."""
    of_account = select(accounts, sessions.c.begun, sessions.c.seen).join(sessions, sessions.c.account == accounts.c.id)
    with engine.connect() as connection:
        row = connection.execute(of_account.where(sessions.c.hash == token.hash)).mappings().one_or_none()
    if row is None or row["disabled"] is not None or _is_over(row, lifetime, at):
        return None
    if at - row["seen"] >= SEEN_EVERY:
        with counting(engine) as connection:
            connection.execute(update(sessions).where(sessions.c.hash == token.hash).values(seen=at))
    return Actor(name=row["name"], scopes=frozenset(row["scopes"]))


def end_session(engine: Engine, token: Token) -> None:
    """Once ended, its token is worth nothing."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.hash == token.hash))


def end_sessions_of(connection: Connection, account: str) -> None:
    """Signed out everywhere."""
    connection.execute(delete(sessions).where(sessions.c.account == account))


def forget_sessions(connection: Connection, lifetime: Lifetime, at: datetime) -> None:
    """Delete what is over."""
    over = or_(sessions.c.seen <= at - lifetime.idle, sessions.c.begun <= at - lifetime.whole)
    connection.execute(delete(sessions).where(over))


def _is_over(row: RowMapping, lifetime: Lifetime, at: datetime) -> bool:
    return bool(at >= row["seen"] + lifetime.idle or at >= row["begun"] + lifetime.whole)
