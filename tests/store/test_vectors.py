"""Vectors in memory: their cosines are those of the numbers they came from, within what a byte rounds off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.store.vectors import SIZE, Vectors, as_bytes, best


def made(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1, (count, SIZE)).astype(np.float32)


def bytes_of(rows: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.stack([np.frombuffer(as_bytes(row) or b"", dtype=np.int8) for row in rows])


def filled(rows: NDArray[np.float32]) -> Vectors:
    vectors = Vectors()
    vectors.add(np.arange(1, len(rows) + 1), bytes_of(rows))
    return vectors


def test_cosines_are_those_of_the_embeddings() -> None:
    rows = made(9000)
    places, found = filled(rows).cosines(rows[7])
    exact = rows @ rows[7] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[7])
    assert np.abs(found - exact).max() < 0.005
    assert places[best(found, 1)[0]] == 8


def test_the_length_of_an_embedding_does_not_matter() -> None:
    row = made(1)[0]
    assert as_bytes(row) == as_bytes(row * 1000)
    assert as_bytes(np.zeros(SIZE, np.float32)) is None
    assert as_bytes(np.full(SIZE, np.nan, np.float32)) is None


def test_a_place_that_is_known_is_not_added_again() -> None:
    rows = made(6)
    vectors = filled(rows[:4])
    vectors.add(np.arange(3, 7), bytes_of(rows[2:]))
    assert vectors.places.tolist() == [1, 2, 3, 4, 5, 6]
    assert vectors.cosines(rows[5])[1].argmax() == 5


def test_what_is_forgotten_is_gone_and_the_rest_keeps_its_place() -> None:
    rows = made(5)
    vectors = filled(rows)
    vectors.keep_only(np.array([1, 4, 5]))
    places, found = vectors.cosines(rows[3])
    assert places.tolist() == [1, 4, 5]
    assert found.argmax() == 1


def test_the_best_come_first() -> None:
    cosines = np.array([0.1, 0.9, -1.0, 0.5], dtype=np.float32)
    assert best(cosines, 2).tolist() == best(cosines, 9)[:2].tolist() == [1, 3]
