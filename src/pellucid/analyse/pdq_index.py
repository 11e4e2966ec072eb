"""PDQ hashes found by their distance, exactly, among millions and in about a millisecond.

Multi-index hashing (Norouzi, Punjani, Fleet, CVPR 2012): a hash of 256 bits is 16 bands of 16. Two hashes that differ in at most
31 bits differ in at most one bit of some band, so only the hashes that share a band, or nearly, are compared whole. Nothing is
missed. Where so many share bands that this would cost more than it saves, all are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BITS = 256
BANDS = 16
BAND_BITS = BITS // BANDS
BAND_VALUES = 1 << BAND_BITS
# Four bits off in every band are 2,517 values a band: slower than comparing all of a million.
LARGEST_BOUND = 4 * BANDS - 1
BLOCK_ROWS = 1 << 16
_NONE = np.zeros(0, dtype=np.int64)

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]


def to_words(hashes: Sequence[str]) -> Words:
    """Hexadecimal hashes of 256 bits → [n, 4]."""
    return words_of(bytes.fromhex("".join(hashes)))


def words_of(packed: bytes) -> Words:
    """n hashes of 32 bytes, one after another → [n, 4]."""
    return np.frombuffer(packed, dtype=">u8").astype(np.uint64).reshape(-1, BITS // 64)


def distance(first: str, second: str) -> int:
    """In how many of 256 bits two hexadecimal hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


class PdqIndex:
    """Holds hashes [n, 4] in 100 bytes each; never changes, so that any number of threads may ask."""

    def __init__(self, hashes_nw: Words) -> None:
        self.hashes_nw = np.ascontiguousarray(hashes_nw)
        count = len(hashes_nw)
        bands_nb = self.hashes_nw.view(np.uint16)
        # Of each band: the rows sorted by its value, and where each value begins.
        self._rows_bn = np.empty((BANDS, count), dtype=np.int32)
        self._starts_bv = np.zeros((BANDS, BAND_VALUES + 1), dtype=np.int64)
        for band in range(BANDS):
            values = np.ascontiguousarray(bands_nb[:, band])
            self._rows_bn[band] = np.argsort(values, kind="stable")
            np.cumsum(np.bincount(values, minlength=BAND_VALUES), out=self._starts_bv[band, 1:])

    def __len__(self) -> int:
        return len(self.hashes_nw)

    def near(self, asked_qw: Words, bound: int) -> tuple[Integers, Integers, Integers]:
        """(which of the asked, row, distance) of every pair that differs in at most `bound` bits, of at most 63."""
        assert 0 <= bound <= LARGEST_BOUND
        if not len(self) or not len(asked_qw):
            return _NONE, _NONE, _NONE
        begins, counts = self._buckets(np.ascontiguousarray(asked_qw), bound // BANDS)
        if counts.sum() > len(self) * len(asked_qw) // 2:
            return compared(self.hashes_nw, asked_qw, bound)
        return self._compared(asked_qw, begins, counts, bound)

    def _buckets(self, asked_qw: Words, wrong_bits: int) -> tuple[Integers, Integers]:
        """Where the buckets begin in the flat rows, and how many rows each has: [q, bands, values near]."""
        bands_qb = asked_qw.view(np.uint16).reshape(len(asked_qw), BANDS)
        values = (bands_qb[:, :, None] ^ _masks(wrong_bits)).astype(np.int64)
        band = np.arange(BANDS)[None, :, None]
        begins = self._starts_bv[band, values]
        return begins + band * len(self), self._starts_bv[band, values + 1] - begins

    def _compared(self, asked_qw: Words, begins: Integers, counts: Integers, bound: int) -> tuple[Integers, Integers, Integers]:
        flat, total = counts.ravel(), int(counts.sum())
        before = np.cumsum(flat) - flat
        places = np.arange(total) + np.repeat(begins.ravel() - before, flat)
        rows = self._rows_bn.ravel()[places].astype(np.int64)
        which = np.repeat(np.arange(len(asked_qw)), counts.sum(axis=(1, 2)))
        bits = _bits(self.hashes_nw.take(rows, axis=0) ^ asked_qw.take(which, axis=0))
        close = np.flatnonzero(bits <= bound)
        # A row may share several bands.
        pairs, first = np.unique(which[close] * len(self) + rows[close], return_index=True)
        return pairs // len(self), pairs % len(self), bits[close][first]


def compared(hashes_nw: Words, asked_qw: Words, bound: int) -> tuple[Integers, Integers, Integers]:
    """As `PdqIndex.near`, by comparing all: what a few thousand hashes need."""
    found: list[tuple[Integers, Integers, Integers]] = [(_NONE, _NONE, _NONE)]
    for start in range(0, len(hashes_nw), BLOCK_ROWS):
        block = hashes_nw[start : start + BLOCK_ROWS]
        for which, asked in enumerate(asked_qw):
            bits = _bits(block ^ asked)
            rows = np.flatnonzero(bits <= bound)
            found.append((np.full(len(rows), which), rows + start, bits[rows]))
    which_all, rows_all, bits_all = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((rows_all, which_all))
    return which_all[order], rows_all[order], bits_all[order]


def _bits(different_nw: Words) -> Integers:
    """How many bits are set in each row; `einsum` adds four numbers a row five times faster than `sum`."""
    bits: Integers = np.einsum("nw->n", np.bitwise_count(different_nw), dtype=np.int64, casting="unsafe")
    return bits


@cache
def _masks(wrong_bits: int) -> NDArray[np.uint16]:
    """Every value of a band with at most so many bits set."""
    chosen = [places for count in range(wrong_bits + 1) for places in combinations(range(BAND_BITS), count)]
    return np.array([sum(1 << place for place in places) for places in chosen], dtype=np.uint16)
