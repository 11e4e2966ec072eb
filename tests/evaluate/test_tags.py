"""Average precision of tags, against values that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra (scikit-learn)")

from pellucid.base.errors import DataError
from pellucid.evaluate.recipe import CaptionPart
from pellucid.evaluate.tags import average_precisions, evaluate_tags, interval
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle
from tests.tiny_bundle import make_tiny_bundle

pytestmark = pytest.mark.train
PART = CaptionPart(dataset="captions", sources=(("made", "val"),))


def pictures(out: Path, objects: tuple[str, ...] | None) -> FeatureFolder:
    samples = tuple(
        Sample(
            id=f"{number:016x}", root="r", path=f"{number}.png", sha256=f"{number:064x}", split="val", source="made",
            licence="CC0-1.0", objects=objects if objects is None or number % 2 else (),
        )
        for number in range(24)
    )  # fmt: skip
    write_dataset(Dataset(samples, {"r": str(out)}), out / "data" / "captions")
    features = FeatureFolder(out / "features", "a-key").open()
    rows = np.random.default_rng(0).normal(0, 1, (24, 512)).astype(np.float32)
    features.append("caption", [sample.id for sample in samples], {"embedding": rows})
    return features


def test_average_precision_counts_ranks_and_leaves_rare_classes_to_the_micro_average() -> None:
    truth = np.array([[True, False], [False, True], [True, False]])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.05]])
    figures = average_precisions(truth, scores, fewest=2)
    assert figures["macro_ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["micro_ap"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_an_interval_holds_its_estimate_and_is_the_same_for_the_same_seed() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random((60, 3)) < 0.3
    scores = truth * 0.4 + draw.random((60, 3))
    estimate = average_precisions(truth, scores)["micro_ap"]
    low, high = interval(lambda t, s: average_precisions(t, s)["micro_ap"], truth, scores, seed=1)
    assert low < estimate < high
    assert (low, high) == interval(lambda t, s: average_precisions(t, s)["micro_ap"], truth, scores, seed=1)


def test_a_bundle_is_measured_over_the_classes_it_has(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    features = pictures(tmp_path, ("dog", "cat", "okapi"))
    figures = evaluate_tags(LoadedBundle.open(tmp_path / "bundle", threads=1), PART, features, tmp_path, seed=0)["made/val"]
    assert (figures["pictures"], figures["classes"], figures["positives"], figures["macro_classes"]) == (24, 2, 24, 2)
    assert 0 <= figures["micro_ap_interval"][0] <= figures["micro_ap"] <= figures["micro_ap_interval"][1] <= 1
    assert figures["shown"]["tags_per_picture"] >= 0


def test_refuses_pictures_without_annotated_objects(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    features = pictures(tmp_path, None)
    with pytest.raises(DataError, match="none of these pictures has annotated objects"):
        evaluate_tags(LoadedBundle.open(tmp_path / "bundle", threads=1), PART, features, tmp_path, seed=0)
