"""Search: places, vectors and tags of answered pictures, and their words in the database's own full-text index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

AT_ONCE = 500
CONTROL = dict.fromkeys((*range(32), 127), " ")
ANALYSES = sa.table("analyses", sa.column("id"), sa.column("state"), sa.column("report", sa.JSON), sa.column("embedding"))
ENTRIES = sa.table("search_entries", sa.column("place"), sa.column("analysis"), sa.column("vector", sa.LargeBinary))
TAGS = sa.table("search_tags", sa.column("tag"), sa.column("analysis"))

# The stemmer takes plurals and endings off; accents are no part of a letter for those who search.
FTS5 = (
    """CREATE VIRTUAL TABLE search_words USING fts5(caption, tags, ocr, tokenize = "porter unicode61 remove_diacritics 2")""",
    """CREATE TRIGGER search_words_go AFTER DELETE ON search_entries
       BEGIN DELETE FROM search_words WHERE rowid = old.place; END""",
)
TSVECTOR = (
    """CREATE TABLE search_words (
           place bigint PRIMARY KEY REFERENCES search_entries ON DELETE CASCADE,
           caption text NOT NULL, tags text NOT NULL, ocr text NOT NULL,
           document tsvector GENERATED ALWAYS AS (
               setweight(to_tsvector('english', caption), 'A') || setweight(to_tsvector('english', tags), 'B')
               || setweight(to_tsvector('english', ocr), 'C')) STORED)""",
    "CREATE INDEX search_words_by_document ON search_words USING gin (document)",
)


def upgrade() -> None:
    op.create_table(
        "search_entries",
        sa.Column("place", PLACE, primary_key=True, autoincrement=True),
        sa.Column("analysis", ID, nullable=False, unique=True),
        sa.Column("vector", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "search_tags",
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("analysis", ID, primary_key=True),
    )
    op.create_index("search_tags_by_analysis", "search_tags", ["analysis"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in FTS5 if is_sqlite else TSVECTOR:
        op.execute(statement)
    for number, row in enumerate(_answered(), start=1):
        _fill(number, row, "rowid" if is_sqlite else "place")
    if not is_sqlite:
        op.execute("SELECT setval(pg_get_serial_sequence('search_entries', 'place'), max(place)) FROM search_entries")


def _answered() -> Iterator[Any]:
    """What was answered before there was a search, oldest first."""
    last, connection = "", op.get_bind()
    chosen = sa.select(ANALYSES.c.id, ANALYSES.c.report, ANALYSES.c.embedding).where(ANALYSES.c.state == "answered")
    while rows := connection.execute(chosen.where(ANALYSES.c.id > last).order_by(ANALYSES.c.id).limit(AT_ONCE)).all():
        yield from rows
        last = rows[-1].id


def _fill(place: int, row: Any, key: str) -> None:
    connection, report = op.get_bind(), row.report or {}
    tags = list(dict.fromkeys(tag["name"].translate(CONTROL)[:64] for tag in report.get("tags") or []))
    caption = ((report.get("caption") or {}).get("text") or "").translate(CONTROL)
    connection.execute(sa.insert(ENTRIES).values(place=place, analysis=row.id, vector=_vector(row.embedding)))
    words = sa.text(f"INSERT INTO search_words ({key}, caption, tags, ocr) VALUES (:place, :caption, :tags, '')")  # noqa: S608
    connection.execute(words, {"place": place, "caption": caption, "tags": "\n".join(tags)})
    if tags:
        connection.execute(sa.insert(TAGS), [{"tag": tag, "analysis": row.id} for tag in tags])


def _vector(embedding: bytes | None) -> bytes | None:
    numbers = np.frombuffer(embedding or b"", dtype="<f2").astype(np.float32)
    largest = float(np.abs(numbers).max(initial=0))
    return np.rint(numbers * (127 / largest)).astype(np.int8).tobytes() if 0 < largest < np.inf else None
