"""Hash banks, their entries, and every match: what the site may have to report to authorities."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from pellucid.store.tables.columns import Id, Moment
from pellucid.store.tables.metadata import METADATA

# SQLite counts by itself in a primary key of this one type only.
NUMBER = BigInteger().with_variant(Integer, "sqlite")

# `list` names the entries that hold now: a new list is written beside the old one, and taken into use by changing this.
banks = Table(
    "banks",
    METADATA,
    Column("name", String(63), primary_key=True),
    Column("action", String(16), nullable=False),
    Column("bound", Integer, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("changed", Moment, nullable=False),
    Column("list", Id, nullable=False),
)

bank_entries = Table(
    "bank_entries",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("list", Id, nullable=False),
    Column("pdq", LargeBinary(32), nullable=False),
    Column("reference", String(500)),
    Column("tags", String(500)),
    Index("bank_entries_by_list", "list", "number"),
)

# Not erased with its analysis: the site may have to answer for it for years.
bank_matches = Table(
    "bank_matches",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("analysis", Id, nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("pdq", String(64), nullable=False),
    Column("source", String(1024)),
    Column("bank", String(63), nullable=False),
    Column("action", String(16), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("distance", Integer, nullable=False),
    Column("orientation", String(16), nullable=False),
    Column("reference", String(500)),
    Index("bank_matches_by_bank", "bank", "id"),
    Index("bank_matches_by_action", "action", "id"),
)
