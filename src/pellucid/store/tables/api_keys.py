"""API keys: who holds one, what it allows, and how much of its rate is used up. No secret is here, only hashes of them."""

from __future__ import annotations

from sqlalchemy import Column, Date, Float, Integer, String, Table

from pellucid.store.tables.columns import Id, Json, Moment
from pellucid.store.tables.metadata import METADATA

api_keys = Table(
    "api_keys",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("previous_hash", String(64)),  # of the secret before the last rotation, let in until …
    Column("overlap_until", Moment),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
    Column("per_minute", Integer),
    Column("bucket_full", Float, nullable=False),  # when all tokens are there again, in seconds since 1970
    Column("last_used", Date),
)
