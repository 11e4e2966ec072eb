"""Accounts of the console in the database."""

from __future__ import annotations

from sqlalchemy import Engine, exists, or_, select

from pellucid.store.tables import accounts, api_keys


def is_anyone_known(engine: Engine) -> bool:
    """Was a key or an account ever made? Also one that is revoked or disabled: a door that was closed does not open again."""
    with engine.connect() as connection:
        return bool(connection.execute(select(or_(exists(select(api_keys.c.id)), exists(select(accounts.c.id))))).scalar_one())
