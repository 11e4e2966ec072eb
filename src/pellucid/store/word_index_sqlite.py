"""SQLite's FTS5 as a `WordIndex`. Every word is handed over as a quoted string, in which FTS5 knows no operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Label, Select, bindparam, column, func, literal_column, select, table, text

from pellucid.store.word_index import CLOSE, MOST_RANKED, OPEN, Choice, Texts, chosen

WORDS = table("search_words", column("rowid"), column("caption"), column("tags"), column("ocr"))
MATCH = "search_words MATCH :expression"
# Weights of caption, tags and text in the picture, chosen on val (docs/search.md).
SCORE: Label[Any] = literal_column("-bm25(search_words, 1.0, 1.0, 1.0)").label("score")


class Fts5Index:
    def __init__(self, most: int = MOST_RANKED) -> None:
        self.most = most

    def add(self, connection: Connection, place: int, texts: Texts) -> None:
        statement = text("INSERT INTO search_words (rowid, caption, tags, ocr) VALUES (:place, :caption, :tags, :ocr)")
        connection.execute(statement, {"place": place, **vars(texts)})

    def matching(self, connection: Connection, words: Sequence[str]) -> Select[Any]:
        expression = _expression(self._chosen(connection, words))
        statement = select(WORDS.c.rowid.label("place"), SCORE)
        return statement.where(text(MATCH).bindparams(bindparam("expression", expression)))

    def marked(self, connection: Connection, words: Sequence[str], places: Sequence[int]) -> Mapping[int, Texts]:
        marks = [func.highlight(literal_column("search_words"), number, OPEN, CLOSE) for number in range(3)]
        # One place at a time: FTS5 then goes straight to it instead of walking through all that matches.
        statement = select(*marks).select_from(WORDS).where(text(MATCH), text("rowid = :place"))
        any_of = _any_of(words)
        rows = {place: connection.execute(statement, {"expression": any_of, "place": place}).one_or_none() for place in places}
        return {place: Texts(*row) for place, row in rows.items() if row is not None}

    def _chosen(self, connection: Connection, words: Sequence[str]) -> Choice:
        newest = connection.execute(text("SELECT max(place) FROM search_entries")).scalar() or 0
        if newest <= self.most:
            return Choice(tuple(words))
        return chosen({word: self._rows(connection, word) for word in words}, self.most)

    def _rows(self, connection: Connection, word: str) -> int:
        """How many pictures have `word`, counted no further than it takes to know that they are too many."""
        some = select(WORDS.c.rowid).where(text(MATCH)).limit(self.most + 1).subquery()
        return connection.execute(select(func.count()).select_from(some), {"expression": _quoted(word)}).scalar_one()


def _expression(choice: Choice) -> str:
    together = f"({' AND '.join(map(_quoted, choice.common))})" if choice.common else ""
    return " OR ".join(part for part in (_any_of(choice.telling), together) if part)


def _any_of(words: Sequence[str]) -> str:
    return " OR ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Words hold letters and digits only (store/words.py), so there is no quote in them to be doubled."""
    return f'"{word}"'
