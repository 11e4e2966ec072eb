"""The full-text index of whichever database it is, behind one protocol: add, match and rank, mark what matched.

    SQLite       FTS5 with the porter stemmer, ranked by bm25       (store/word_index_sqlite.py)
    PostgreSQL   tsvector under GIN, English, ts_rank_cd by rarity  (store/word_index_postgresql.py)

Where more pictures match than can be ranked in the time of a search, words that most pictures share choose none by themselves,
but together; and of what still matches, the newest are ranked. In small indexes neither happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Select

# Brackets around a word that matched, in texts that cannot hold them: control characters are taken out before.
OPEN, CLOSE = "\x02", "\x03"
MOST_RANKED = 20_000
"""Matches that are ranked; bounds the time of a search in a large index. Nothing is left out in smaller ones."""


@dataclass(frozen=True)
class Texts:
    """What is searched of a picture: its caption, its tags a line each, the text in it; empty where there is none."""

    caption: str = ""
    tags: str = ""
    ocr: str = ""


@dataclass(frozen=True)
class Choice:
    """Which of the words asked for choose pictures: any of `telling`, or all of `common` together."""

    telling: tuple[str, ...]
    common: tuple[str, ...] = ()


class WordIndex(Protocol):
    most: int

    def add(self, connection: Connection, place: int, texts: Texts) -> None: ...

    def matching(self, connection: Connection, words: Sequence[str]) -> Select[Any]:
        """`place` and `score` (the higher the better) of every picture that has any of `words`, more or less."""
        ...

    def marked(self, connection: Connection, words: Sequence[str], places: Sequence[int]) -> Mapping[int, Texts]:
        """The texts at `places`, every word that matched between `OPEN` and `CLOSE`."""
        ...


def chosen(rows: Mapping[str, int], most: int = MOST_RANKED) -> Choice:
    """Words by how many pictures have them → the rarest for as long as they match no more than `most` together."""
    telling: list[str] = []
    total = 0
    for word in sorted(rows, key=rows.__getitem__):
        total += rows[word]
        if total > most:
            break
        telling.append(word)
    return Choice(tuple(telling), tuple(word for word in rows if word not in telling))
