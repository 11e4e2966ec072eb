"""The audit log and its head. Triggers of revision 0002 refuse every change of a row, whoever asks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from pellucid.store.tables.metadata import METADATA

# SQLite numbers rows by a column of exactly this type.
SEQ = BigInteger().with_variant(Integer, "sqlite")

audit = Table(
    "audit",
    METADATA,
    Column("seq", SEQ, primary_key=True, autoincrement=False),
    Column("time", String(27), nullable=False),  # RFC 3339, UTC, microseconds: as it is hashed
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("details", Text, nullable=False),  # canonical JSON: as it is hashed
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_by_subject", "subject", "seq"),
)

# One row. Who adds an entry changes it first, so that all others wait until his transaction ends.
audit_head = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", SEQ, nullable=False),
    Column("hash", String(64), nullable=False),
)
