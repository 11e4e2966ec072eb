"""The exported tag head gives the numbers it was trained to give, and its names fit its outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the train extra (onnx)")

from pellucid.base.errors import DataError
from pellucid.export.tags import export_tags
from pellucid.records.checkpoint import Checkpoint, Origin, Weights, write_checkpoint
from pellucid.records.heads import TagEntry, TagSet, TagSource
from pellucid.runtime.session import open_session

pytestmark = pytest.mark.train


def weights() -> Weights:
    draw = np.random.default_rng(0)
    vectors = draw.normal(0, 1, (4, 16)).astype(np.float32)
    return {
        "zero_shot.vectors": vectors / np.linalg.norm(vectors, axis=1, keepdims=True), "zero_shot.scale": np.float32([70]),
        "zero_shot.platt": np.float32([0.9, 2.5]), "words.weight": draw.normal(0, 3, (2, 16)).astype(np.float32),
        "words.bias": np.float32([-1, 0.5]),
    }  # fmt: skip


def write(folder: Path, names: int) -> Path:
    write_checkpoint(Checkpoint(Origin("tags", {}, "0" * 40, "0" * 16, "key"), weights()), folder)
    sources: list[TagSource] = ["encoder"] * 4 + ["captions"] * (names - 4)
    entries = tuple(TagEntry(name=f"tag {place}", source=source, threshold=0.5) for place, source in enumerate(sources))
    (folder / "tags.json").write_text(TagSet(tags=entries).model_dump_json())
    return folder


def test_scores_are_those_of_the_weights(tmp_path: Path) -> None:
    checkpoint, bundle = write(tmp_path / "checkpoint", 6), tmp_path / "bundle"
    bundle.mkdir()
    export_tags(checkpoint, bundle)
    embedding = np.random.default_rng(1).normal(0, 4, (5, 16)).astype(np.float32)
    scores = open_session(bundle / "tags.onnx", "onnxruntime", threads=1).run({"embedding": embedding})["scores"]
    kept = weights()
    direction = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    similarity = 70 * direction @ kept["zero_shot.vectors"].T
    similarity -= similarity.max(axis=1, keepdims=True)
    logs = similarity - np.log(np.exp(similarity).sum(axis=1, keepdims=True))
    logits = np.concatenate([0.9 * logs + 2.5, direction @ kept["words.weight"].T + kept["words.bias"]], axis=1)
    assert scores == pytest.approx(1 / (1 + np.exp(-logits)), abs=5e-3)
    assert (bundle / "tags.json").read_bytes() == (checkpoint / "tags.json").read_bytes()


def test_refuses_names_that_do_not_fit_the_outputs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"6 tag outputs, its tags\.json names 5"):
        export_tags(write(tmp_path / "checkpoint", 5), tmp_path)
