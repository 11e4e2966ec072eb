"""What search knows of an answered picture beside its words: its place, its vector, its tags.

The words themselves stand in `search_words`, which each database has in its own language and the migration makes: an FTS5 table
in SQLite, texts with a tsvector under a GIN index in PostgreSQL. A row of it goes with its row of `search_entries`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from pellucid.store.tables.columns import Id
from pellucid.store.tables.metadata import METADATA, erased_with_analysis

# SQLite counts by itself only in a column of the type INTEGER.
Place = BigInteger().with_variant(Integer, "sqlite")

# Places are given in the order in which pictures were answered and never again, so that a reader can go on from the last it saw.
search_entries = Table(
    "search_entries",
    METADATA,
    Column("place", Place, primary_key=True, autoincrement=True),
    Column("analysis", Id, nullable=False, unique=True),
    Column("vector", LargeBinary),  # 512 signed bytes: the embedding at length 127 (store/vectors.py)
    info=erased_with_analysis("analysis"),
    sqlite_autoincrement=True,
)

search_tags = Table(
    "search_tags",
    METADATA,
    Column("tag", String(64), primary_key=True),
    Column("analysis", Id, primary_key=True),
    Index("search_tags_by_analysis", "analysis"),
    info=erased_with_analysis("analysis"),
)
