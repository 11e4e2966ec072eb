"""Search among answered pictures: by words (caption, tags, text in the picture) and by what a picture looks like.

    search_entries   a place for every answered picture, in the order they were answered, and its vector
    search_tags      its tags, for filters
    search_words     its words, in the full-text index of the database (store/word_index.py)

All are written in the transaction that writes the report (`add_answered`), and go in the one that deletes the analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Engine, exists, func, insert, select

from pellucid.base.errors import NotFound
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.store.similar import Similar
from pellucid.store.tables import analyses, search_entries, search_tags
from pellucid.store.vectors import as_bytes
from pellucid.store.word_index import CLOSE, MOST_RANKED, OPEN, Texts, WordIndex
from pellucid.store.word_index_postgresql import TsvectorIndex
from pellucid.store.word_index_sqlite import Fts5Index
from pellucid.store.words import words_asked

TAG_LENGTH = 64
_CONTROL = dict.fromkeys((*range(32), 127), " ")


@dataclass(frozen=True)
class SearchFilters:
    """What is searched among; `since` is included, `until` is not."""

    verdict: VerdictLabel | None = None
    decision: Decision | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Place:
    """Where the next page begins: at match number `start`, of the pictures that were there at the first page (`upto`).

    Numbers as a database can hold them; what lies behind the last match is an empty page.
    """

    start: Annotated[int, Field(ge=0, le=10**9)] = 0
    upto: Annotated[int, Field(ge=0, le=10**18)] | None = None


@dataclass(frozen=True)
class Marked:
    """What matched: texts in pieces, every second of which matched; and the names of tags that did."""

    caption: tuple[str, ...]
    tags: tuple[str, ...]
    ocr: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """A picture, how well it matched, and where."""

    report: Report
    score: float
    marked: Marked


@dataclass(frozen=True)
class Matches:
    """Best first; `following` leads to the next page, None at the end."""

    matches: tuple[Match, ...]
    following: Place | None


@dataclass(frozen=True)
class Alike:
    """A picture and its cosine with the one that was asked for."""

    report: Report
    cosine: float


class Search:
    """Holds the vectors of all pictures, once somebody asks by picture; safe to use from several threads."""

    def __init__(self, database: Engine, most_ranked: int = MOST_RANKED) -> None:
        self._database = database
        self._words = _index_of(database.dialect.name, most_ranked)
        self._similar = Similar()

    def by_words(self, text: str, filters: SearchFilters, limit: int, place: Place = Place()) -> Matches:
        """Pictures that have any of the words, the best first; among equals the newest."""
        words = words_asked(text)
        if not words:
            return Matches((), None)
        with self._database.connect() as connection:
            upto = place.upto or connection.execute(select(func.max(search_entries.c.place))).scalar() or 0
            rows = self._ranked(connection, words, filters, Place(place.start, upto), limit + 1)
            shown = rows[:limit]
            reports = _reports_at(connection, [row.place for row in shown])
            marked = self._words.marked(connection, words, [row.place for row in shown])
        found = [
            Match(reports[row.place], float(row.score), _in_pieces(marked.get(row.place, Texts())))
            for row in shown
            if row.place in reports
        ]
        return Matches(tuple(found), Place(place.start + limit, upto) if len(rows) > limit else None)

    def similar_to(self, analysis_id: str, filters: SearchFilters, limit: int) -> tuple[Alike, ...]:
        """Other pictures, the most similar first. Raises `NotFound`, also where the picture has no embedding."""
        with self._database.connect() as connection:
            row = connection.execute(select(analyses.c.embedding).where(analyses.c.id == analysis_id)).one_or_none()
            if row is None or row.embedding is None:
                raise NotFound(f"there is no embedding of an analysis {analysis_id!r}")
            vector = np.frombuffer(row.embedding, dtype="<f2").astype(np.float32)
            return self._alike(connection, vector, [*conditions(filters), analyses.c.id != analysis_id], limit)

    def by_embedding(self, embedding: NDArray[np.float32], filters: SearchFilters, limit: int) -> tuple[Alike, ...]:
        """Pictures, the most similar to this embedding [512] first."""
        with self._database.connect() as connection:
            return self._alike(connection, embedding, conditions(filters), limit)

    def _alike(
        self, connection: Connection, vector: NDArray[np.float32], wanted: Sequence[ColumnElement[bool]], limit: int
    ) -> tuple[Alike, ...]:
        found = self._similar.best(connection, vector, wanted, limit)
        reports = _reports_at(connection, [place for place, _ in found])
        return tuple(Alike(reports[place], cosine) for place, cosine in found if place in reports)

    def _ranked(
        self, connection: Connection, words: Sequence[str], filters: SearchFilters, place: Place, count: int
    ) -> Sequence[Any]:
        """(place, score) of the newest that match and are `wanted`, best first."""
        matching = self._words.matching(connection, words)
        at = matching.selected_columns.place
        if wanted := conditions(filters):
            theirs = (search_entries.c.place == at, analyses.c.id == search_entries.c.analysis)
            matching = matching.where(exists().where(*theirs, *wanted))
        newest = matching.where(at <= place.upto).order_by(at.desc()).limit(self._words.most).subquery()
        page = select(newest.c.place, newest.c.score).order_by(newest.c.score.desc(), newest.c.place.desc())
        return connection.execute(page.offset(place.start).limit(count)).all()


def add_answered(connection: Connection, report: Report, embedding: NDArray[np.float32] | None) -> None:
    """Let an answered picture be found, from the moment on at which the caller's transaction is committed."""
    vector = None if embedding is None else as_bytes(embedding)
    added = connection.execute(insert(search_entries).values(analysis=report.id, vector=vector))
    assert added.inserted_primary_key
    place: int = added.inserted_primary_key[0]
    tags = list(dict.fromkeys(plain(tag.name)[:TAG_LENGTH] for tag in report.tags))
    if tags:
        connection.execute(insert(search_tags), [{"tag": tag, "analysis": report.id} for tag in tags])
    caption = report.caption.text if report.caption else ""
    texts = Texts(plain(caption), "\n".join(tags), plain(report.ocr or ""))
    _index_of(connection.dialect.name, MOST_RANKED).add(connection, place, texts)


def plain(text: str) -> str:
    """Without control characters, which a database may refuse (NUL) or which stand for marks here."""
    return text.translate(_CONTROL)


def conditions(filters: SearchFilters) -> list[ColumnElement[bool]]:
    """Of the row in `analyses`, which a ruling may have changed since."""
    tagged = exists().where(search_tags.c.analysis == analyses.c.id, search_tags.c.tag == filters.tag)
    every = (
        None if filters.verdict is None else analyses.c.verdict == filters.verdict,
        None if filters.decision is None else analyses.c.decision == filters.decision,
        None if filters.tag is None else tagged,
        None if filters.since is None else analyses.c.created >= filters.since,
        None if filters.until is None else analyses.c.created < filters.until,
    )
    return [condition for condition in every if condition is not None]


def _index_of(dialect: str, most_ranked: int) -> WordIndex:
    return Fts5Index(most_ranked) if dialect == "sqlite" else TsvectorIndex(most_ranked)


def _reports_at(connection: Connection, places: Sequence[int]) -> dict[int, Report]:
    joined = select(search_entries.c.place, analyses.c.report).join(analyses, analyses.c.id == search_entries.c.analysis)
    rows = connection.execute(joined.where(search_entries.c.place.in_(places))).all()
    return {row.place: Report.model_validate(row.report) for row in rows if row.report is not None}


def _in_pieces(texts: Texts) -> Marked:
    tags = tuple(_unmarked(line) for line in texts.tags.split("\n") if OPEN in line)
    return Marked(_pieces(texts.caption), tags, _pieces(texts.ocr))


def _pieces(text: str) -> tuple[str, ...]:
    """ "A dog runs" with `dog` marked → ("A ", "dog", " runs"); nothing where nothing is marked."""
    return tuple(text.replace(CLOSE, OPEN).split(OPEN)) if OPEN in text else ()


def _unmarked(text: str) -> str:
    return text.replace(OPEN, "").replace(CLOSE, "")
