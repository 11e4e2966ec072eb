"""Idempotency keys: which analysis a caller's key stands for, until it expires."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from pellucid.store.tables.columns import Id, Moment
from pellucid.store.tables.metadata import METADATA

idempotency = Table(
    "idempotency",
    METADATA,
    Column("owner", String(64), primary_key=True),  # a hash of who asks: two callers may use the same key
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("analysis", Id, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
)
