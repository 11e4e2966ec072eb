"""PDQ hashes of answered pictures, in the order in which they came: what near-duplicates are found by."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table

from pellucid.store.tables.banks import NUMBER
from pellucid.store.tables.columns import Id
from pellucid.store.tables.metadata import METADATA, erased_with_analysis

# Numbers are given once only, so that a reader can go on from the last it saw.
# Of quality 50 or more only: others say too little to be compared.
hashes = Table(
    "hashes",
    METADATA,
    Column("number", NUMBER, primary_key=True),
    Column("analysis", Id, nullable=False, unique=True),
    Column("pdq", LargeBinary(32), nullable=False),
    info=erased_with_analysis("analysis"),
    sqlite_autoincrement=True,
)
