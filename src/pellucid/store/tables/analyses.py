"""Every picture that was accepted, from then to its deletion: the whole report as JSON, and the columns lists are filtered by."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, LargeBinary, String, Table

from pellucid.store.tables.columns import Id, Json, Moment
from pellucid.store.tables.metadata import METADATA, OBJECT

# ULIDs sort by time, so the primary key is also the order of every list.
analyses = Table(
    "analyses",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("state", String(16), nullable=False),  # accepted → answered | failed; any of them → deleted
    Column("created", Moment, nullable=False),
    Column("settled", Moment),  # when it was answered, failed or deleted
    Column("source", String(1024)),
    Column("declared", String(16)),
    Column("sha256", String(64), info=OBJECT),
    Column("pdq", String(64)),
    Column("verdict", String(16)),
    Column("decision", String(16)),
    Column("probability", Float),
    Column("bundle", String(128)),
    Column("report", Json),
    Column("embedding", LargeBinary),
    Column("problem", Json),  # of a failed one: code and detail
    Column("deleted_why", String(200)),
    Column("inherits", Id),  # the analysis whose ruling holds for this one too
    Index("analyses_by_verdict", "verdict", "id"),
    Index("analyses_by_decision", "decision", "id"),
    Index("analyses_by_created", "created"),
    Index("analyses_by_picture", "sha256", "id"),
    Index("analyses_by_inherits", "inherits"),
)
