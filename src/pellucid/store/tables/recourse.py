"""What people said of answers: flags, appeals, rulings; and by what the pictures that were ruled on are found again.

Flags, appeals and rulings stay when their analysis is deleted, for reports on moderation are owed of them (DSA Art. 15 and 24);
they hold no picture. What is left of a ruled picture goes with it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from pellucid.store.tables.columns import Id, Json, Moment
from pellucid.store.tables.metadata import METADATA

ACTOR = String(160)

flags = Table(
    "flags",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("analysis", Id, nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Column("actor", ACTOR, nullable=False),
    Column("says", String(16), nullable=False),
    Column("note", Text),
    Column("state", String(16), nullable=False),  # open → closed
    Column("closed", Moment),
    Index("flags_by_analysis", "analysis", "id"),
    Index("flags_by_state", "state", "id"),
)

appeals = Table(
    "appeals",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("analysis", Id, nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Column("actor", ACTOR, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stood", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # open → closed
    Column("closed", Moment),
    Column("ruling", Id),
    Index("appeals_by_analysis", "analysis", "id"),
    Index("appeals_by_state", "state", "id"),
)

rulings = Table(
    "rulings",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("analysis", Id, nullable=False),
    Column("round", Id, nullable=False, index=True),
    Column("created", Moment, nullable=False, index=True),
    Column("actor", ACTOR, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("reply", Text),
    Column("decision", String(16)),
    Column("state", String(16), nullable=False),  # waiting → in_force | agreed | outvoted | withdrawn; in_force → corrected
    Column("policy", String(160), nullable=False),
    Column("stood", String(16), nullable=False),
    Column("stood_decision", String(16)),
    Column("machine", String(16), nullable=False),
    Column("machine_decision", String(16)),
    Index("rulings_by_analysis", "analysis", "id"),
    Index("rulings_by_state", "state", "id"),
)

# One row an analysis on which a ruling is in force. It stays when the analysis is deleted, hashes and no picture: who has won
# is not accused again.
ruled = Table(
    "ruled",
    METADATA,
    Column("analysis", Id, primary_key=True),
    Column("ruling", Id, nullable=False, index=True),
    Column("verdict", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("hashes", Json, nullable=False),
)
