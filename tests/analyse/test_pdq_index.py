"""The index finds exactly what comparing every pair finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.pdq_index import LARGEST_BOUND, PdqIndex, Words, distance, to_words


def random_hashes(count: int, seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), dtype=np.uint64)


def with_bits_flipped(hash_w: Words, bits: int, seed: int) -> Words:
    changed = hash_w.copy()
    for bit in np.random.default_rng(seed).choice(256, bits, replace=False):
        changed[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return changed


def compared_one_by_one(hashes: Words, asked: Words, bound: int) -> list[tuple[int, int, int]]:
    found = []
    for which, query in enumerate(asked):
        for row, each in enumerate(hashes):
            bits = int(np.bitwise_count(each ^ query).sum())
            if bits <= bound:
                found.append((which, row, bits))
    return found


def found_by(index: PdqIndex, asked: Words, bound: int) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in index.near(asked, bound)), strict=True))


@given(bound=st.integers(0, LARGEST_BOUND), flipped=st.integers(0, 80), seed=st.integers(0, 2**32 - 1))
def test_finds_what_comparing_every_pair_finds(bound: int, flipped: int, seed: int) -> None:
    hashes = random_hashes(60, seed)
    asked = np.stack([with_bits_flipped(hashes[seed % 60], flipped, seed), hashes[3]])
    assert found_by(PdqIndex(hashes), asked, bound) == compared_one_by_one(hashes, asked, bound)


@given(bound=st.integers(0, LARGEST_BOUND), seed=st.integers(0, 2**32 - 1))
def test_finds_them_among_hashes_that_are_nearly_alike(bound: int, seed: int) -> None:
    """Where nearly all share bands, all are compared."""
    one = random_hashes(1, seed)[0]
    hashes = np.stack([with_bits_flipped(one, (seed + place) % 70, place) for place in range(50)])
    asked = np.stack([one, hashes[7]])
    assert found_by(PdqIndex(hashes), asked, bound) == compared_one_by_one(hashes, asked, bound)


@pytest.mark.parametrize(("bits", "expected"), [(31, True), (32, False)])
def test_the_bound_is_included_and_nothing_beyond_it(bits: int, expected: bool) -> None:
    hashes = random_hashes(5000, 1)
    changed = with_bits_flipped(hashes[99], bits, 2)
    assert ((0, 99, bits) in found_by(PdqIndex(hashes), changed[None], 31)) is expected


def test_bits_spread_over_all_bands_are_found_too() -> None:
    """The worst case: two bits wrong in 15 bands, one in the last."""
    hashes = random_hashes(2000, 3)
    bits = [band * 16 + place for band in range(16) for place in (3, 11)][:-1]
    changed = hashes[5].copy()
    for bit in bits:
        changed[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    assert (0, 5, 31) in found_by(PdqIndex(hashes), changed[None], 31)


def test_an_empty_index_finds_nothing() -> None:
    assert found_by(PdqIndex(np.zeros((0, 4), dtype=np.uint64)), random_hashes(2, 0), 31) == []
    assert found_by(PdqIndex(random_hashes(2, 0)), np.zeros((0, 4), dtype=np.uint64), 31) == []


def test_hexadecimal_and_words_are_the_same_distance() -> None:
    first, second = "0f" * 32, "0f" * 31 + "f0"
    words = to_words([first, second])
    assert distance(first, second) == int(np.bitwise_count(words[0] ^ words[1]).sum()) == 8
