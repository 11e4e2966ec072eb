"""PostgreSQL's text search as a `WordIndex`: a GIN index finds, ts_rank_cd of each word times the word's rarity ranks.

ts_rank_cd alone knows no rarity, so "a" would weigh as much as "accordion". How common words are is taken from the statistics
that PostgreSQL gathers of the column anyway (ANALYZE, by autovacuum); before the first all words count alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Cast,
    ColumnClause,
    Connection,
    Select,
    bindparam,
    cast,
    column,
    false,
    func,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from pellucid.store.word_index import CLOSE, MOST_RANKED, OPEN, Choice, Texts, chosen

WORDS = table("search_words", column("place"), column("caption"), column("tags"), column("ocr"), column("document"))
ENGLISH = "CAST('english' AS regconfig)"
# Weights of D (none), C (text in the picture), B (tags) and A (caption), and division by 1 + log of the length: chosen on val.
WEIGHTS: ColumnClause[Any] = literal_column("CAST('{1, 1, 1, 1}' AS real[])")
BY_LENGTH = 1
STATISTICS_AGE_S = 60.0

_STATISTICS = """
SELECT CAST(CAST(most_common_elems AS text) AS text[]) AS words, most_common_elem_freqs AS shares FROM pg_stats
WHERE schemaname = current_schema() AND tablename = 'search_words' AND attname = 'document'"""


@dataclass(frozen=True)
class Shares:
    """Which share of all pictures has each of the commonest words; what is not among them is taken to have `rest`."""

    of: Mapping[str, float]
    rest: float
    since_s: float

    def rarity(self, lexeme: str) -> float:
        """The idf of bm25 for a large number of pictures."""
        return -math.log(self.of.get(lexeme.strip("'"), self.rest))

    def rows(self, lexeme: str, pictures: int) -> int:
        """In so many of `pictures`; a word that is not among the commonest chooses few."""
        return math.ceil(self.of.get(lexeme.strip("'"), 0.0) * pictures)


class TsvectorIndex:
    def __init__(self, most: int = MOST_RANKED) -> None:
        self.most = most
        self._known: Shares | None = None

    def add(self, connection: Connection, place: int, texts: Texts) -> None:
        statement = text("INSERT INTO search_words (place, caption, tags, ocr) VALUES (:place, :caption, :tags, :ocr)")
        connection.execute(statement, {"place": place, **vars(texts)})

    def matching(self, connection: Connection, words: Sequence[str]) -> Select[Any]:
        shares = self._shares(connection)
        lexemes = _lexemes(connection, words)
        if not lexemes:
            return select(WORDS.c.place, literal_column("0.0").label("score")).where(false())
        newest = connection.execute(text("SELECT max(place) FROM search_entries")).scalar() or 0
        choice = chosen({lexeme: shares.rows(lexeme, newest) for lexeme in lexemes}, self.most)
        ranks = [
            shares.rarity(lexeme) * func.ts_rank_cd(WEIGHTS, WORDS.c.document, _query(lexeme), BY_LENGTH) for lexeme in lexemes
        ]
        matches = WORDS.c.document.op("@@")(_query(_expression(choice)))
        return select(WORDS.c.place, sum(ranks[1:], ranks[0]).label("score")).where(matches)

    def marked(self, connection: Connection, words: Sequence[str], places: Sequence[int]) -> Mapping[int, Texts]:
        lexemes = _lexemes(connection, words)
        if not lexemes or not places:
            return {}
        options = f"StartSel={OPEN}, StopSel={CLOSE}, HighlightAll=true"
        marks = [
            func.ts_headline(literal_column(ENGLISH), WORDS.c[name], _query(" | ".join(lexemes)), options)
            for name in ("caption", "tags", "ocr")
        ]
        rows = connection.execute(select(WORDS.c.place, *marks).where(WORDS.c.place.in_(places)))
        return {row[0]: Texts(*row[1:]) for row in rows}

    def _shares(self, connection: Connection) -> Shares:
        """As of the last minute."""
        if self._known is None or time.monotonic() - self._known.since_s > STATISTICS_AGE_S:
            self._known = _read_shares(connection)
        return self._known


def _read_shares(connection: Connection) -> Shares:
    row = connection.execute(text(_STATISTICS)).one_or_none()
    if row is None or not row.words:
        return Shares({}, 0.5, time.monotonic())
    # Behind the shares of the words stand the smallest and the largest of them.
    of = dict(zip(row.words, row.shares, strict=False))
    return Shares(of, min(of.values()) / 2, time.monotonic())


def _lexemes(connection: Connection, words: Sequence[str]) -> tuple[str, ...]:
    """Words as PostgreSQL stems them and writes them in a query, quoted; each once, those that it ignores left out."""
    if not words:
        return ()
    asked = ", ".join(f"CAST(plainto_tsquery({ENGLISH}, :word{number}) AS text)" for number in range(len(words)))
    found = connection.execute(text(f"SELECT {asked}"), {f"word{number}": word for number, word in enumerate(words)}).one()
    return tuple(dict.fromkeys(lexeme if lexeme.count("'") == 2 else f"({lexeme})" for lexeme in found if lexeme))


def _expression(choice: Choice) -> str:
    together = f"({' & '.join(choice.common)})" if choice.common else ""
    return " | ".join(part for part in (*choice.telling, together) if part)


def _query(lexemes: str) -> Cast[str]:
    return cast(bindparam(None, lexemes, unique=True), TSQUERY)
