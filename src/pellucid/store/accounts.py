"""Accounts of the console in the database: made, listed, disabled, given new passwords; each change with its audit entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, exists, or_, select, update

from pellucid.base.errors import InvalidParameter, NotFound
from pellucid.base.ids import new_id
from pellucid.records.account import Account, check_name, handle_of
from pellucid.records.actor import Roles, in_order
from pellucid.records.audit import Change
from pellucid.records.password import check_password, hashed
from pellucid.store.audit import record
from pellucid.store.database import add_new, writing
from pellucid.store.sessions import end_sessions_of
from pellucid.store.tables import accounts, api_keys


def is_anyone_known(engine: Engine) -> bool:
    """Was a key or an account ever made? Also one that is revoked or disabled: a door that was closed does not open again."""
    with engine.connect() as connection:
        return bool(connection.execute(select(or_(exists(select(api_keys.c.id)), exists(select(accounts.c.id))))).scalar_one())


def create_account(engine: Engine, name: str, role: str, password: str, roles: Roles, actor: str, at: datetime) -> Account:
    """Raises `InvalidParameter`: a name that is taken or none, a role that there is not, a password that is too easy."""
    check_name(name)
    check_password(password, name)
    scopes, kept = in_order(roles.scopes(role)), hashed(password)
    with writing(engine) as connection:
        row = add_account(connection, name, scopes, at, password=kept)
        if row is None:
            raise InvalidParameter(f"there is an account {name!r} already; take another name")
        told = {"name": name, "role": role, "scopes": scopes}
        record(connection, Change(actor=actor, action="account.created", subject=row["id"], details=told), at)
        return account_of(row)


def all_accounts(engine: Engine) -> list[Account]:
    """Oldest first, the disabled ones too."""
    with engine.connect() as connection:
        rows = connection.execute(select(accounts).order_by(accounts.c.id)).mappings().all()
    return [account_of(row) for row in rows]


def disable_account(engine: Engine, name: str, actor: str, at: datetime) -> Account:
    """Signed out at once, in every process; a second time changes nothing. Raises `NotFound`."""
    return _switch(engine, name, actor, at, disabled=at)


def enable_account(engine: Engine, name: str, actor: str, at: datetime) -> Account:
    """Raises `NotFound`."""
    return _switch(engine, name, actor, at, disabled=None)


def set_password(engine: Engine, name: str, password: str, actor: str, at: datetime) -> Account:
    """Signed out everywhere. Raises `NotFound`, or `InvalidParameter` where it is too easy or a provider keeps the password."""
    check_password(password, name)
    kept = hashed(password)
    with writing(engine) as connection:
        row = _row(connection, name)
        if row["subject"] is not None:
            raise InvalidParameter(f"{row['name']} signs in at the OpenID provider, which keeps the password; change it there")
        connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(password=kept))
        end_sessions_of(connection, row["id"])
        told = {"name": row["name"]}
        record(connection, Change(actor=actor, action="account.password_set", subject=row["id"], details=told), at)
        return account_of(row)


def find_account(connection: Connection, name: str) -> RowMapping | None:
    """By its name, in letters of any size."""
    return connection.execute(select(accounts).where(accounts.c.handle == handle_of(name))).mappings().one_or_none()


def add_account(connection: Connection, name: str, scopes: list[Any], at: datetime, **fields: str) -> RowMapping | None:
    """None where the name, or the identity, has an account; one that is made at this moment is waited for."""
    row = {"id": new_id(), "name": name, "handle": handle_of(name), "scopes": scopes, "created": at, **fields}
    return _row(connection, name) if add_new(connection, accounts, row) else None


def account_of(row: RowMapping) -> Account:
    shown = {field: row[field] for field in Account.model_fields if field != "by_provider"}
    return Account(**shown, by_provider=row["subject"] is not None)


def _switch(engine: Engine, name: str, actor: str, at: datetime, disabled: datetime | None) -> Account:
    with writing(engine) as connection:
        row = _row(connection, name)
        if (row["disabled"] is None) != (disabled is None):
            connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(disabled=disabled))
            end_sessions_of(connection, row["id"])
            action, told = "account.enabled" if disabled is None else "account.disabled", {"name": row["name"]}
            record(connection, Change(actor=actor, action=action, subject=row["id"], details=told), at)
        return account_of(_row(connection, name))


def _row(connection: Connection, name: str) -> RowMapping:
    if (found := find_account(connection, name)) is None:
        raise NotFound(f"there is no account {name[:80]!r}; `pellucid accounts list` shows all")
    return found
