"""People who sign in to the console, their sessions, and how often somebody failed. No password and no token: hashes of them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from pellucid.store.tables.columns import Id, Json, Moment
from pellucid.store.tables.metadata import METADATA

accounts = Table(
    "accounts",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("handle", String(64), nullable=False, unique=True),  # the name in small letters
    Column("scopes", Json, nullable=False),
    Column("password", String(200)),  # argon2id, encoded; None where an OpenID provider knows him
    Column("subject", String(64), unique=True),  # SHA-256 of the provider's issuer and `sub`
    Column("created", Moment, nullable=False),
    Column("disabled", Moment),
    Column("last_signed_in", Moment),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the cookie's token
    Column("account", Id, ForeignKey("accounts.id"), nullable=False),
    Column("begun", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Index("sessions_by_account", "account"),
    Index("sessions_by_seen", "seen"),
)

sign_in_failures = Table(
    "sign_in_failures",
    METADATA,
    Column("who", String(72), primary_key=True),  # `account:` or `address:` and a hash: people type passwords as names
    Column("count", Integer, nullable=False),
    Column("last", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Index("sign_in_failures_by_last", "last"),
)
