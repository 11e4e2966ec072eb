"""Vectors of many pictures in memory, a signed byte a number, and the cosine of one against all of them.

A byte a number is a quarter of float32: 512 MB for a million pictures. No index is built that could miss a picture; what the
bytes round off is made good by asking again for the best ones in full precision (store/similar.py).
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

SIZE = 512
LARGEST = 127
CHUNK = 4096
"""Rows that are widened to float32 at a time: 8 MB, which stays in the processor's cache."""

TINY = 1e-30
"""Keeps the direction of nothing finite."""

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


def as_bytes(embedding: Floats) -> bytes | None:
    """[512] → 512 signed bytes of the same direction; None where it has none."""
    largest = float(np.abs(embedding).max(initial=0))
    if not np.isfinite(largest) or largest == 0:
        return None
    rounded: NDArray[np.int8] = np.rint(embedding * (LARGEST / largest)).astype(np.int8)
    return rounded.tobytes()


class Vectors:
    """Grows by `add`; safe to use from several threads. Rows keep their number until `keep_only` packs them anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows = np.empty((0, SIZE), dtype=np.int8)
        self._norms = np.empty(0, dtype=np.float32)
        self._places = np.empty(0, dtype=np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def places(self) -> Places:
        """[n], in the order of the rows."""
        return self._places[: self._count]

    def add(self, places: Places, rows: NDArray[np.int8]) -> None:
        """`rows` [n, 512] at `places` [n]; those whose place is known already are left out."""
        with self._lock:
            new = ~np.isin(places, self.places)
            places, rows = places[new], rows[new]
            end = self._count + len(places)
            if end > len(self._places):
                self._grow(max(end, 2 * self._count))
            self._rows[self._count : end] = rows
            self._norms[self._count : end] = _norms(rows)
            self._places[self._count : end] = places
            self._count = end

    def keep_only(self, places: Places) -> None:
        """Forget every row whose place is none of `places`."""
        with self._lock:
            kept = np.isin(self.places, places)
            if not kept.all():
                self._rows, self._norms = self._rows[: self._count][kept], self._norms[: self._count][kept]
                self._places = self.places[kept]
                self._count = len(self._places)

    def cosines(self, vector: Floats) -> tuple[Places, Floats]:
        """Places [n], and the cosine of `vector` [512] with each."""
        with self._lock:
            rows, norms, places = self._rows[: self._count], self._norms[: self._count], self.places
        unit: Floats = vector / np.float32(max(float(np.linalg.norm(vector)), TINY))
        out = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            out[part] = rows[part].astype(np.float32) @ unit
        return places, out / norms

    def _grow(self, size: int) -> None:
        """Into new arrays: who reads the old ones reads on."""
        rows, norms, places = np.empty((size, SIZE), np.int8), np.empty(size, np.float32), np.empty(size, np.int64)
        rows[: self._count], norms[: self._count] = self._rows[: self._count], self._norms[: self._count]
        places[: self._count] = self.places
        self._rows, self._norms, self._places = rows, norms, places


def best(cosines: Floats, count: int) -> NDArray[np.intp]:
    """Row numbers of the `count` largest, the largest first."""
    if count >= len(cosines):
        return np.argsort(-cosines, kind="stable")
    front = np.argpartition(-cosines, count - 1)[:count]
    return front[np.argsort(-cosines[front], kind="stable")]


def _norms(rows: NDArray[np.int8]) -> Floats:
    wide = rows.astype(np.float32)
    norms: Floats = np.maximum(np.sqrt(np.einsum("nd,nd->n", wide, wide)), np.float32(1.0))
    return norms
