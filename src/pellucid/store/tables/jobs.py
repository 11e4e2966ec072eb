"""Work that is waiting or under way. A job that is done is a row no more: what came of it stands where it belongs."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from pellucid.store.tables.columns import Id, Json, Moment, lease_columns
from pellucid.store.tables.metadata import METADATA, erased_with_analysis

# The job of kind `analyse` bears the id of its analysis.
jobs = Table(
    "jobs",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("created", Moment, nullable=False),
    Column("payload", Json),
    *lease_columns(),
    Index("jobs_by_due", "kind", "due"),
    info=erased_with_analysis("id"),
)
