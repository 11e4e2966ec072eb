"""Search by picture: the cosine of one embedding with every other's, exhaustively, over vectors that follow the table.

Every process that is asked keeps all vectors in memory (store/vectors.py). Before each answer it reads what was added since; the
best are then looked up in the table, which knows what is deleted and what the filters let through, and ranked in full precision.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, exists, select

from pellucid.store.tables import analyses, search_entries
from pellucid.store.vectors import SIZE, Places, Vectors, best

OVERLAP = 256
"""Places that are read again each time: a transaction that began earlier may be committed later."""
AT_ONCE = 10_000
"""Rows read by one question: 5 MB."""
WIDER = 16
SMALL = 20_000
"""Where filters leave too few of the candidates, so many times more are asked about before all are, if those are not few."""
SPARE = 64
"""Candidates beyond the number asked for: bytes may rank wrongly what differs by less than they round off."""
WHOLE_S = 600.0
"""After so long the table is compared as a whole: a vector of a deleted picture stays in memory no longer than this."""

Floats = NDArray[np.float32]
Wanted = Sequence[ColumnElement[bool]]


class Similar:
    """Safe to use from several threads."""

    def __init__(self, small: int = SMALL) -> None:
        self._vectors, self._small = Vectors(), small
        self._lock = threading.Lock()
        self._compared_s = time.monotonic()

    def best(self, connection: Connection, vector: Floats, wanted: Wanted, count: int) -> list[tuple[int, float]]:
        """(place, cosine) of the `count` most similar that are `wanted`, the most similar first."""
        self._follow(connection)
        places, cosines = self._vectors.cosines(vector)
        found = _exact(connection, vector, self._candidates(connection, places, cosines, wanted, count))
        if len(found) < count and not wanted and len(found) < len(places):
            # Of those that were nearest most were deleted since.
            with self._lock:
                self._compare(connection)
            places, cosines = self._vectors.cosines(vector)
            found = _exact(connection, vector, self._candidates(connection, places, cosines, wanted, count))
        return found[:count]

    def _candidates(self, connection: Connection, places: Places, cosines: Floats, wanted: Wanted, count: int) -> Places:
        """The best that are wanted and some more, the best first. Filters are asked about the best, then about all."""
        most = 2 * count + SPARE
        for asked in (most,) if len(places) <= self._small else (most, WIDER * most):
            front = places[best(cosines, asked)]
            if not wanted:
                return front
            found = front[np.isin(front, _wanted_among(connection, front, wanted))]
            if len(found) >= count or len(front) == len(places):
                return found[:most]
        allowed = np.isin(places, _all_wanted(connection, wanted))
        return places[allowed][best(cosines[allowed], most)]

    def _follow(self, connection: Connection) -> None:
        with self._lock:
            if time.monotonic() - self._compared_s > WHOLE_S:
                self._compare(connection)
            last = int(self._vectors.places[-OVERLAP:].max(initial=0)) - OVERLAP
            while rows := _entries(connection, search_entries.c.place > last):
                self._add(rows)
                last = rows[-1].place

    def _compare(self, connection: Connection) -> None:
        """Forget what is deleted, and add what was committed later than `OVERLAP` others."""
        there = select(search_entries.c.place).where(search_entries.c.vector.is_not(None))
        places = np.array(connection.execute(there).scalars().all(), dtype=np.int64)
        self._vectors.keep_only(places)
        missing = places[~np.isin(places, self._vectors.places)].tolist()
        for start in range(0, len(missing), AT_ONCE):
            self._add(_entries(connection, search_entries.c.place.in_(missing[start : start + AT_ONCE])))
        self._compared_s = time.monotonic()

    def _add(self, rows: Sequence[Row[Any, Any]]) -> None:
        vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype=np.int8).reshape(-1, SIZE)
        self._vectors.add(np.array([row.place for row in rows], dtype=np.int64), vectors)


def _entries(connection: Connection, where: ColumnElement[bool]) -> Sequence[Row[Any, Any]]:
    entry = search_entries.c
    chosen = select(entry.place, entry.vector).where(where, entry.vector.is_not(None))
    return connection.execute(chosen.order_by(entry.place).limit(AT_ONCE)).all()


def _exact(connection: Connection, vector: Floats, places: Places) -> list[tuple[int, float]]:
    """(place, cosine) of those of `places` that are there, the most similar first.

    Without the filters: SQLite's plan would read every picture that they let through.
    """
    joined = select(search_entries.c.place, analyses.c.embedding).join(analyses, analyses.c.id == search_entries.c.analysis)
    there = (search_entries.c.place.in_(places.tolist()), analyses.c.embedding.is_not(None))
    rows = connection.execute(joined.where(*there)).all()
    if not rows:
        return []
    theirs = np.stack([np.frombuffer(row.embedding, dtype="<f2").astype(np.float32) for row in rows])
    cosines = theirs @ vector / (np.linalg.norm(theirs, axis=1) * np.linalg.norm(vector))
    return [(rows[row].place, float(cosines[row])) for row in best(cosines, len(rows)).tolist()]


def _wanted_among(connection: Connection, places: Places, wanted: Wanted) -> Places:
    """Asked of one after the other: in a join SQLite would begin with all that the filters let through."""
    theirs = exists().where(analyses.c.id == search_entries.c.analysis, *wanted)
    asked = select(search_entries.c.place).where(search_entries.c.place.in_(places.tolist()), theirs)
    return np.array(connection.execute(asked).scalars().all(), dtype=np.int64)


def _all_wanted(connection: Connection, wanted: Wanted) -> Places:
    joined = select(search_entries.c.place).join(analyses, analyses.c.id == search_entries.c.analysis)
    return np.array(connection.execute(joined.where(*wanted)).scalars().all(), dtype=np.int64)
