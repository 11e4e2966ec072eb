"""Webhooks to be sent, written in the transaction that makes what they tell of true (an outbox), and what became of them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from pellucid.store.tables.columns import Id, Moment, lease_columns
from pellucid.store.tables.metadata import METADATA, erased_with_analysis

deliveries = Table(
    "deliveries",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("event", String(64), nullable=False),
    Column("analysis", Id, index=True),
    Column("body", Text, nullable=False),  # as it is signed and sent, byte for byte, at every attempt
    Column("state", String(16), nullable=False),  # waiting → delivered | dead; dead → waiting by a replay
    Column("created", Moment, nullable=False),
    Column("settled", Moment),
    Column("status", Integer),  # the last answer's
    Column("problem", String(500)),  # why the last attempt failed
    *lease_columns(),
    Index("deliveries_by_due", "state", "due"),
    Index("deliveries_by_state", "state", "id"),
    info=erased_with_analysis("analysis"),
)
