"""A training run makes the features it lacks, and none of them twice."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pellucid.base.errors import DataError
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.features import open_features
from pellucid.runtime.features import CAPTION_PARTS, DETECTION_PARTS
from pellucid.train.extraction import extract_lacking
from tests.pictures import jpeg
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What the stages before leave: an encoder and a dataset of three pictures, the last of them in `val`."""
    (tmp_path / "encoder").mkdir()
    make_tiny_bundle(tmp_path / "tiny")
    shutil.copy(tmp_path / "tiny" / "encoder.onnx", tmp_path / "encoder" / "encoder.onnx")
    samples = [_sample(tmp_path, seed) for seed in range(3)]
    samples[2] = replace(samples[2], split="val")
    write_dataset(Dataset(tuple(samples), {"pictures": str(tmp_path)}), tmp_path / "data" / "three")
    return tmp_path


def _sample(folder: Path, seed: int) -> Sample:
    data = jpeg(seed=seed)
    (folder / f"{seed}.jpg").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return Sample(sha256[:16], "pictures", f"{seed}.jpg", sha256, "train", "made by code", "Apache-2.0", label="real")


def test_extracts_the_views_of_the_splits_asked_for(out: Path) -> None:
    extract_lacking(out, "three", ["clean", "augment-1"], DETECTION_PARTS, ["train"])
    features = open_features(out / "features")
    assert len(features.known("clean")) == len(features.known("augment-1")) == 2
    assert features.load("clean", sorted(features.known("clean")), ["class_tokens"])["class_tokens"].shape == (2, 12, 768)


def test_without_splits_the_whole_dataset_is_meant(out: Path) -> None:
    extract_lacking(out, "three", ["caption"], CAPTION_PARTS)
    assert len(open_features(out / "features").known("caption")) == 3


def test_what_is_there_is_not_extracted_again(out: Path) -> None:
    extract_lacking(out, "three", ["clean"], DETECTION_PARTS, ["train"])
    extract_lacking(out, "three", ["clean"], DETECTION_PARTS)
    extract_lacking(out, "three", ["clean"], DETECTION_PARTS)
    assert len(list((out / "features" / "clean").glob("*.npz"))) == 2


def test_without_an_encoder_nothing_happens(out: Path) -> None:
    (out / "encoder" / "encoder.onnx").unlink()
    extract_lacking(out, "three", ["clean"], DETECTION_PARTS)
    assert not (out / "features").exists()


def test_features_of_another_encoder_are_refused(out: Path) -> None:
    extract_lacking(out, "three", ["clean"], DETECTION_PARTS)
    (out / "encoder" / "encoder.onnx").write_bytes(b"another")
    with pytest.raises(DataError, match="use another folder"):
        extract_lacking(out, "three", ["clean"], DETECTION_PARTS)
