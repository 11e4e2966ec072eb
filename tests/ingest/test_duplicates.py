import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pellucid.ingest.duplicates import collapse, near_pairs, removals, summary, to_words
from tests.ingest.made import RULE, check, sample

HASH = 0x0F1E2D3C4B5A69788796A5B4C3D2E1F00123456789ABCDEFFEDCBA9876543210
hashes = st.builds(lambda flips: HASH ^ sum(1 << bit for bit in flips), st.sets(st.integers(0, 255), max_size=40))
splits = st.sampled_from(["train", "val", "online", "test"])
labels = st.sampled_from(["ai", "real"])


def hexadecimal(value):
    return f"{value:064x}"


def apart(one, other):
    return (one ^ other).bit_count()


@given(st.lists(hashes, max_size=30))
def test_finds_the_same_pairs_as_counting_bits_one_by_one(values):
    found = near_pairs(to_words([hexadecimal(value) for value in values]), 31)
    slow = [(i, j) for j in range(len(values)) for i in range(j) if apart(values[i], values[j]) <= 31]
    assert sorted(map(tuple, found.tolist())) == sorted(slow)


def test_finds_pairs_across_blocks():
    draw = np.random.default_rng(0)
    words = draw.integers(0, 2**63, (5000, 4), dtype=np.uint64)
    words[4321] = words[17]
    assert near_pairs(words, 31).tolist() == [[17, 4321]]


@given(st.lists(st.tuples(hashes, splits, labels, st.integers(0, 8)), max_size=25))
def test_leaves_no_group_and_no_picture_in_two_splits(drawn):
    samples = [sample(f"{n:016x}", split, label, group=str(group)) for n, (_, split, label, group) in enumerate(drawn)]
    values = [value for value, *_ in drawn]
    gone = {each.sample.id for each in removals(samples, [check(hexadecimal(value)) for value in values], RULE)}
    kept = [(one, value) for one, value in zip(samples, values, strict=True) if one.id not in gone]
    for one, first in kept:
        for other, second in kept:
            if one.group == other.group or apart(first, second) <= RULE.near_bits:
                assert one.split == other.split


def test_keeps_the_copy_of_the_test_split():
    train, test = sample("a", "train"), sample("b", "test")
    [removed] = removals([train, test], [check(hexadecimal(HASH)), check(hexadecimal(HASH ^ 0xFF00))], RULE)
    assert (removed.sample, removed.other) == (train, test)
    assert summary([removed]) == {"near-duplicate in another split: train (test keeps its copy)": 1}


def test_drops_both_where_labels_contradict_each_other():
    samples = [sample("a", "train", "ai"), sample("b", "train", "real"), sample("c", "train", "real")]
    checks = [check(hexadecimal(value)) for value in (HASH, HASH ^ 1, ~HASH & (1 << 256) - 1)]
    assert [each.sample.id for each in removals(samples, checks, RULE)] == ["a", "b"]


def test_trusts_no_hash_of_poor_quality():
    samples = [sample("a", "train"), sample("b", "test")]
    assert removals(samples, [check(hexadecimal(HASH), quality=49), check(hexadecimal(HASH))], RULE) == []


def test_drops_all_tiles_of_a_picture_whose_tile_is_in_a_test():
    samples = [sample("a-0", "train", group="a"), sample("a-1", "train", group="a"), sample("b", "test")]
    far = hexadecimal(~HASH & (1 << 256) - 1)
    checks = [check(hexadecimal(HASH)), check(far), check(hexadecimal(HASH))]
    assert {each.sample.id for each in removals(samples, checks, RULE)} == {"a-0", "a-1"}


def test_collapses_the_same_bytes_into_the_split_that_goes_first():
    same = [sample("a", "train"), sample("a", "test"), sample("a", "test")]
    kept, removed = collapse(same, RULE)
    assert [each.split for each in kept] == ["test"]
    assert len(removed) == 2


def test_drops_the_same_bytes_under_two_labels():
    kept, removed = collapse([sample("a", label="ai"), sample("a", label="real"), sample("b")], RULE)
    assert [each.id for each in kept] == ["b"]
    assert {each.reason for each in removed} == {"contradicting labels"}
