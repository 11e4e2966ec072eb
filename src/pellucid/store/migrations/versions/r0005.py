"""Search: places, vectors and tags of answered pictures, and their words in the database's own full-text index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"

ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
PLACE = sa.BigInteger().with_variant(sa.Integer, "sqlite")

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
    for statement in FTS5 if op.get_bind().dialect.name == "sqlite" else TSVECTOR:
        op.execute(statement)
