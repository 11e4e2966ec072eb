"""Signing in: a name with its password, or an identity that an OpenID provider vouches for, becomes a session with a new token.

One answer for a wrong name, a wrong password and a disabled account, after the same work. In the audit log stand sign-ins, and
failures of accounts that there are: their delay bounds how many. Names that are none stand in no log, for they may be passwords.

    announce   counts the attempt, and refuses where one must wait
    sign_in    looks at the password
    note_failure   after the answer was sent, so that its time does not say whether there is such an account
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, select, update

from pellucid.base.errors import SignInFailed
from pellucid.records.account import Identity, check_name, is_name
from pellucid.records.actor import CONSOLE, in_order
from pellucid.records.audit import Change
from pellucid.records.password import hashed, is_outdated, is_right
from pellucid.records.session import Token
from pellucid.store.accounts import add_account, find_account
from pellucid.store.audit import record
from pellucid.store.database import writing
from pellucid.store.sessions import begin_session
from pellucid.store.sign_in_failures import Counter, count_attempt, counters, take_back
from pellucid.store.tables import accounts

WRONG = "the name or the password is wrong, or the account is disabled"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """What somebody sent, from which address."""

    name: str
    password: str = field(repr=False)
    address: str

    @property
    def counters(self) -> tuple[Counter, Counter]:
        return counters(self.name, self.address)


def announce(engine: Engine, attempt: Attempt, at: datetime) -> None:
    """To be asked first. Raises `TooManySignIns`."""
    count_attempt(engine, attempt.counters, at)


def sign_in(engine: Engine, attempt: Attempt, at: datetime) -> Token:
    """Slow (records/password.py). Raises `SignInFailed`."""
    row = _account(engine, attempt)
    right = is_right(row["password"] if row else None, attempt.password)
    if row is None or not right or row["disabled"] is not None:
        raise SignInFailed(WRONG)
    anew = hashed(attempt.password) if is_outdated(row["password"]) else None
    with writing(engine) as connection:
        take_back(connection, attempt.counters)
        # As it was a moment ago: a password that was changed, or an account that was disabled since, lets nobody in.
        same = (accounts.c.id == row["id"], accounts.c.password == row["password"], accounts.c.disabled.is_(None))
        changed = update(accounts).where(*same).values(last_signed_in=at, password=anew or row["password"])
        if connection.execute(changed).rowcount != 1:
            raise SignInFailed(WRONG)
        return _begin(connection, row, at)


def note_failure(engine: Engine, attempt: Attempt, at: datetime) -> None:
    """In the audit log, where there is such an account."""
    if (row := _account(engine, attempt)) is None:
        log.warning("a sign-in failed: no such account")
        return
    told = {"name": row["name"], "disabled": row["disabled"] is not None}
    with writing(engine) as connection:
        record(connection, Change(actor=CONSOLE, action="account.sign_in_failed", subject=row["id"], details=told), at)


def sign_in_identity(engine: Engine, identity: Identity, at: datetime) -> Token:
    """The first time he gets an account; each time the scopes that the provider now says. Raises `SignInFailed`."""
    check_name(identity.name)
    with writing(engine) as connection:
        # Of two first sign-ins at once, one makes the account and the other finds it.
        row = _row(connection, identity) or _welcome(connection, identity, at) or _row(connection, identity)
        if row is None:
            log.warning("an identity of the OpenID provider bears the name of another account")
            raise SignInFailed(f"there is another account called {identity.name}; the console or the provider must rename one")
        _check(connection, row, identity, at)
        connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(last_signed_in=at))
        return _begin(connection, row, at)


def _row(connection: Connection, identity: Identity) -> RowMapping | None:
    return connection.execute(select(accounts).where(accounts.c.subject == identity.hash)).mappings().one_or_none()


def _check(connection: Connection, row: RowMapping, identity: Identity, at: datetime) -> None:
    if row["disabled"] is not None:
        raise SignInFailed("the account is disabled here; whoever looks after the console can enable it")
    scopes = in_order(identity.scopes)
    if scopes != row["scopes"]:
        connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(scopes=scopes))
        told = {"name": row["name"], "from": row["scopes"], "to": scopes}
        record(connection, Change(actor=CONSOLE, action="account.scopes_changed", subject=row["id"], details=told), at)


def _welcome(connection: Connection, identity: Identity, at: datetime) -> RowMapping | None:
    """A name is given once: who is called as another account is would rule in its name."""
    scopes = in_order(identity.scopes)
    row = add_account(connection, identity.name, scopes, at, subject=identity.hash)
    if row is None:
        return None
    told = {"name": identity.name, "scopes": scopes, "issuer": identity.issuer, "subject": identity.subject[:200]}
    record(connection, Change(actor=CONSOLE, action="account.created", subject=row["id"], details=told), at)
    return row


def _begin(connection: Connection, row: RowMapping, at: datetime) -> Token:
    token = begin_session(connection, row["id"], at)
    told = {"name": row["name"]}
    record(connection, Change(actor=row["name"], action="account.signed_in", subject=row["id"], details=told), at)
    return token


def _account(engine: Engine, attempt: Attempt) -> RowMapping | None:
    with engine.connect() as connection:
        return find_account(connection, attempt.name) if is_name(attempt.name) else None
