"""Retrieval, measured: what is described is found, no sentence is asked that is indexed, and ratios have bounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra (scikit-learn)")

from pellucid.base.errors import DataError
from pellucid.evaluate.blocks import markdown
from pellucid.evaluate.contents import contents
from pellucid.evaluate.expectations import held
from pellucid.evaluate.recipe import Bound, RetrievalPart
from pellucid.evaluate.retrieval import (
    Described,
    Query,
    _arms,
    _asked,
    _by_bundle,
    _ratio,
    _sentences,
    _store_of,
    evaluate_retrieval,
)
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.evaluation import Evaluation
from pellucid.records.features import FeatureFolder
from pellucid.records.report import Missing
from pellucid.runtime.bundle import LoadedBundle
from tests.tiny_bundle import make_tiny_bundle

pytestmark = pytest.mark.train
RECORD = dict.fromkeys(("name", "bundle", "created", "command", "machine", "git_commit"), "-") | {"final": False, "datasets": {}}
PART = RetrievalPart(dataset="captions", source="made", split="val")
THINGS = ("dog", "horse", "boat", "tree", "bench", "kite", "train", "clock", "river", "tent")


def pictures() -> tuple[Sample, ...]:
    return tuple(
        Sample(
            id=f"{number:016x}", root="r", path=f"{number}_ab.png", sha256=f"{number:064x}", split="val", source="made",
            licence="CC0-1.0", captions=(f"A {thing} in the sun.", f"There is one {thing}.", f"Look, the {thing}s!"),
        )
        for number, thing in enumerate(THINGS)
    )  # fmt: skip


def test_no_sentence_is_asked_that_is_indexed() -> None:
    samples = pictures()
    indexed, queries = _sentences(samples, 9, seed=3)
    assert len(queries) == 2 * len(samples)
    assert all(query.text in samples[query.picture].captions for query in queries)
    assert all(query.text != indexed[query.picture] for query in queries)


def test_arms_hold_what_they_are_named_after() -> None:
    samples, ours = pictures(), [Described("ours")] * len(THINGS)
    arms = _arms(PART, samples, [sample.captions[0] for sample in samples], ours, seed=0)
    assert sum(known.caption is not None for known in arms["manual_share"]) == 3
    assert arms["file_names"][4] == Described("4 ab")
    assert all(known.caption for known in arms["manual"])


def test_who_is_described_is_found_and_nobody_else() -> None:
    known = [Described(f"A {thing}.") for thing in THINGS[:5]] + [Described()] * 5
    with _store_of(known) as (search, ids):
        ranks, seconds = _asked(search, ids, [Query(f"my {thing}", number) for number, thing in enumerate(THINGS)])
    assert ranks.tolist() == [1] * 5 + [0] * 5
    assert min(seconds) > 0


def test_a_ratio_lies_between_its_bounds_and_is_none_of_nothing() -> None:
    draw = np.random.default_rng(0)
    ours, theirs = (draw.random(400) < 0.6).astype(int), (draw.random(400) < 0.3).astype(int)
    found = _ratio(ours, theirs, np.arange(400), seed=0)
    assert 1.5 < found["lower"] < found["rate"] < found["upper"] < 3
    assert _ratio(ours, np.zeros(400, int), np.arange(400), seed=0)["rate"] is None


def test_a_bundle_is_measured_in_every_arm(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    write_dataset(Dataset(pictures(), {"r": str(tmp_path)}), tmp_path / "data" / "captions")
    features = FeatureFolder(tmp_path / "features", "a-key").open()
    draw = np.random.default_rng(0)
    arrays = {"patches": draw.normal(0, 1, (10, 196, 768)), "embedding": draw.normal(0, 1, (10, 512))}
    features.append("caption", [s.id for s in pictures()], {name: array.astype(np.float32) for name, array in arrays.items()})
    bundle = LoadedBundle.open(tmp_path / "bundle", threads=1)
    found = evaluate_retrieval(bundle, PART, features, tmp_path, seed=0)
    assert (found["pictures"], found["queries"]) == (10, 10)
    assert found["arms"]["manual"]["recall_at_1"]["rate"] == 1
    assert found["arms"]["manual_share"]["recall_at_10"]["count"] == 3
    assert found["arms"]["pellucid"]["recall_at_10"]["count"] <= 3
    assert found["times_status_quo"]["rate"] <= 1
    judged = held({"retrieval": PART.model_copy(update={"expect": {"share_of_manual": Bound(at_least=0)}})}, {"retrieval": found})
    assert judged["passed"] == 1
    assert json.loads(json.dumps({"found": found, "judged": judged}))["found"] == found
    blocks = list(contents(Evaluation.model_validate(RECORD | {"sections": {"retrieval": found}})))
    assert "manual share" in "\n".join(markdown(blocks[0]))


def test_captions_are_those_that_a_report_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    features = FeatureFolder(tmp_path / "features", "a-key").open()
    arrays = {"patches": np.zeros((10, 196, 768), np.float32), "embedding": np.zeros((10, 512), np.float32)}
    features.append("caption", [s.id for s in pictures()], arrays)
    bundle = LoadedBundle.open(tmp_path / "bundle", threads=1)
    assert all(one.caption for one in _by_bundle(bundle, pictures(), features))
    monkeypatch.setattr("pellucid.evaluate.retrieval.shown", lambda *_: Missing(part="caption", reason="doubtful"))
    assert not any(one.caption for one in _by_bundle(bundle, pictures(), features))


def test_refuses_a_split_without_pictures(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    write_dataset(Dataset(pictures(), {"r": str(tmp_path)}), tmp_path / "data" / "captions")
    part = PART.model_copy(update={"split": "test"})
    with pytest.raises(DataError, match="no pictures of made in test"):
        evaluate_retrieval(LoadedBundle.open(tmp_path / "bundle", threads=1), part, FeatureFolder(tmp_path, "k"), tmp_path, 0)
