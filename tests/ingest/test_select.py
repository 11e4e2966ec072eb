from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import ConfigError
from pellucid.ingest.readers import Row
from pellucid.ingest.recipe import Caps
from pellucid.ingest.select import cap, select, split_of
from tests.ingest.made import recipe, sample

SHARES = {"train": 0.6, "val": 0.1, "online": 0.1, "test": 0.2}
TILES = [{"declared": "grid", "rows": 2, "columns": 2, "all_in": ["train"]}]


def row(digest, **more):
    return Row(
        **(
            {"root": "pictures", "path": f"{digest}.png", "source": "made", "licence": "CC0", "sha256": digest, "split": "train"}
            | more
        )
    )


def test_names_a_sample_by_its_bytes():
    [found] = select([row("0123456789abcdef" * 4)], recipe(), {})
    assert (found.id, found.group, found.box) == ("0123456789abcdef", "0123456789abcdef", None)


def test_cuts_a_grid_into_all_its_tiles_where_asked_and_one_elsewhere():
    digest = "00000000000000a6" * 4
    told = recipe(tiles=TILES)
    train = select([row(digest, declared="grid")], told, {})
    assert [(tile.id[-2:], tile.box) for tile in train] == [
        ("-0", (0, 0, 0.5, 0.5)), ("-1", (0.5, 0, 1, 0.5)), ("-2", (0, 0.5, 0.5, 1)), ("-3", (0.5, 0.5, 1, 1)),
    ]  # fmt: skip
    assert {tile.group for tile in train} == {"00000000000000a6"}
    assert [tile.id[-2:] for tile in select([row(digest, declared="grid", split="test")], told, {})] == ["-2"]


def test_crops_the_mark_of_a_generator_away():
    told = recipe(crops=[{"generator": "DALL-E 2", "box": [0, 0, 0.95, 0.95]}])
    boxes = [each.box for each in select([row("aa" * 32, generator="DALL-E 2"), row("bb" * 32)], told, {})]
    assert boxes == [(0, 0, 0.95, 0.95), None]


def test_caps_a_source_in_one_split_only():
    samples = [sample(f"{n:016x}", split) for n in range(10) for split in ("train", "test")]
    kept = cap(samples, Caps(split="train", samples={"made": 3}))
    assert Counter(each.split for each in kept) == {"train": 3, "test": 10}
    assert [each.id[-1] for each in kept if each.split == "train"] == ["0", "1", "2"]


def test_asks_for_shares_where_a_picture_has_no_split():
    with pytest.raises(ConfigError, match="has no `shares`; add them"):
        select([row("aa" * 32, split=None)], recipe(shares={}), {})


@given(st.sets(st.text(min_size=1), min_size=1, max_size=50), st.integers(0, 9))
def test_draws_a_split_from_the_group_alone(groups, seed):
    first = {group: split_of(group, SHARES, seed) for group in groups}
    assert all(split_of(group, SHARES, seed) == split for group, split in first.items())
    assert set(first.values()) <= set(SHARES)


def test_draws_splits_in_their_shares():
    counts = Counter(split_of(str(number), SHARES, 0) for number in range(4000))
    assert all(abs(counts[split] / 4000 - share) < 0.03 for split, share in SHARES.items())
