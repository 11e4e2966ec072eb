"""Which pictures calibration and thresholds stand on: as they arrive, each view by its share."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pellucid.records.dataset import Sample
from pellucid.runtime.random_change import random_change
from pellucid.train.held_out import arrived, view_shares
from pellucid.train.thresholds import mixed, once, slices_of, together


def sample(number, side):
    name = f"{number:016x}"
    return Sample(
        id=name, root="r", path=name, sha256=name, split="train", source="s", licence="CC0", label="real", domain="photo",
        width=side, height=side * 3 // 4, format="JPEG", bytes=1,
    )  # fmt: skip


def test_a_changed_picture_counts_in_the_slice_of_the_size_in_which_it_arrives():
    large = [sample(number, 2000) for number in range(40)]
    assert set(slices_of([arrived(one, "clean") for one in large])) == {"photo/large"}
    changed = [arrived(one, "augment-1") for one in large]
    assert all(one.width == one.height <= 1024 for one in changed)
    assert set(slices_of(changed)) == {"photo/large", "photo/small"}
    assert changed == [arrived(one, "augment-1") for one in large]


def test_the_size_is_that_of_the_part_which_is_looked_at():
    cut = replace(sample(3, 2000), box=(0.0, 0.0, 0.3, 0.2))
    assert cut.seen_px == (600, 300)
    assert arrived(cut, "clean").seen_px == (600, 300)
    assert slices_of([cut]) == ["photo/small"]
    assert arrived(cut, "augment-1").width == random_change(Image.new("RGB", (600, 300)), f"{cut.id}/augment-1").width


def test_views_share_what_arrives_changed():
    assert view_shares(["clean", "augment-1", "augment-2"], 0.4) == pytest.approx(
        {"clean": 0.6, "augment-1": 0.2, "augment-2": 0.2}
    )
    assert view_shares(["clean"], 0.4) == {"clean": 1}


def test_a_pool_stands_for_as_many_pictures_as_its_parts():
    samples = [sample(number, 500) for number in range(10)]
    labels, logits = np.arange(10) % 2 == 0, np.linspace(-1, 1, 10)
    pool = together([(mixed(samples, labels, logits, logits, 0.5), 0.7), (once(samples, labels, logits), 0.3)])
    assert (len(pool.samples), len(pool.labels), len(pool.logits)) == (30, 30, 30)
    assert pool.counts.sum() == pytest.approx(10)
