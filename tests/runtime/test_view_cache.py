"""Views as bytes: the very ones the service makes, made once, and a run that was interrupted goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.base.errors import DataError, ImageError
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset
from pellucid.runtime import view_cache
from pellucid.runtime.features import open_sample, view_of
from pellucid.runtime.view_cache import ViewCache
from pellucid.runtime.views import to_tensor, to_tensors
from tests.toy import toy_dataset

SPEC = ViewSpec()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return toy_dataset(tmp_path, count=10)


def ids(dataset: Dataset) -> list[str]:
    return [sample.id for sample in dataset.samples]


def test_holds_the_views_that_are_served_in_the_order_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    cache = ViewCache(tmp_path / "views", SPEC)
    cache.add(dataset, ("clean", "augment-1"))
    for view in ("clean", "augment-1"):
        kept = cache.open(view, ids(dataset)[::-1])
        assert len(kept) == 10
        sample = dataset.samples[-1]
        expected = view_of(open_sample(dataset, sample), view, SPEC, sample.id)
        assert np.array_equal(kept.take(np.array([0]))[0], np.asarray(expected))
        assert np.array_equal(to_tensors(kept.take(np.array([0])), SPEC)[0], to_tensor(expected, SPEC))


def test_a_view_is_made_once(dataset: Dataset, tmp_path: Path) -> None:
    cache = ViewCache(tmp_path / "views", SPEC)
    cache.add(dataset, ("clean",))
    for sample in dataset.samples:
        dataset.file(sample).unlink()
    cache.add(dataset, ("clean",))
    assert len(cache.open("clean", ids(dataset))) == 10


def test_goes_on_after_a_shard_that_was_cut_short(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_cache, "SHARD_SAMPLES", 4)
    cache = ViewCache(tmp_path / "views", SPEC)
    dataset.file(dataset.samples[6]).rename(tmp_path / "aside.png")
    dataset.file(dataset.samples[6]).write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"0006\.png"):
        cache.add(dataset, ("clean",))
    (cache.path / "clean" / "shard-00001.npy").write_bytes(b"half a shard, whose ids were not written")
    (tmp_path / "aside.png").rename(dataset.file(dataset.samples[6]))
    cache.add(dataset, ("clean",))
    assert cache.open("clean", ids(dataset)).take(np.arange(10)).shape == (10, 224, 224, 3)


def test_names_what_lacks(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks 10 of 10 samples"):
        ViewCache(tmp_path / "views", SPEC).open("clean", ids(dataset))


def test_another_chain_has_other_views(tmp_path: Path) -> None:
    assert ViewCache(tmp_path, SPEC).path != ViewCache(tmp_path, ViewSpec(jpeg_quality=70)).path
