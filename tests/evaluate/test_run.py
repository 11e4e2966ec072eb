"""Evaluation from bundle to record, on pictures made by code and a bundle that knows nothing."""

import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import ConfigError
from pellucid.evaluate.run import run
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.evaluation import read_evaluation
from tests.pictures import jpeg
from tests.tiny_bundle import make_tiny_bundle

RECIPE = """
kind = "evaluation"
name = "tiny"
bundle = "tiny"

[detection]
dataset = "made"
splits = {splits}
tiers = ["clean", "hard"]
bootstrap_rounds = 20

[detection.matched]
photographs = ["photo"]
"""


@pytest.fixture
def place(tmp_path):
    """`out` with a tiny bundle and a dataset of made pictures in three splits."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    samples = []
    for number in range(36):
        name, split = f"{number:016x}", ("train", "val", "test_seen")[number % 3]
        (pictures / f"{name}.jpg").write_bytes(jpeg(seed=number))
        label = "ai" if number % 2 else "real"
        samples.append(
            Sample(
                id=name, root="made", path=f"{name}.jpg", sha256=name, split=split, source="made", licence="CC0", label=label,
                generator="code" if label == "ai" else None, width=160, height=120, format="JPEG", bytes=5000,
            )
        )  # fmt: skip
    out = tmp_path / "runs"
    write_dataset(Dataset(tuple(samples), {"made": str(pictures)}), out / "data" / "made")
    make_tiny_bundle(out / "bundles" / "tiny")
    return out


def recipe(out, *splits):
    path = out / "evaluation.toml"
    path.write_text(RECIPE.format(splits=list(splits)))
    return path


def test_writes_a_record_with_counts_and_controls(place):
    folder = run(recipe(place, "val"), {}, place)
    record = read_evaluation(folder / "evaluation.json")
    found = record.sections["detection"]["val/clean"]
    assert not record.final
    assert found["pictures"] == {"ai": 6, "real": 6}
    assert found["accused"]["of"] == 6
    assert sum(found["confusion"].values()) == 12
    assert set(record.sections["controls"]["val/clean"]) == {
        "constant",
        "shuffled labels",
        "metadata of the original file",
        "domain and tags",
    }
    assert record.sections["controls"]["val/clean"]["constant"] == 0.5
    assert (folder / "roc.png").exists()
    assert "val/hard" in (folder / "report.md").read_text()


def test_refuses_test_splits_without_final(place):
    with pytest.raises(ConfigError, match="test_seen is reserved"):
        run(recipe(place, "val", "test_seen"), {}, place)


def test_looks_at_a_test_split_once_and_keeps_bundle_and_date(place):
    folder = run(recipe(place, "test_seen"), {}, place, final=True)
    record = read_evaluation(folder / "evaluation.json")
    assert record.final
    assert record.bundle.startswith("tiny@")
    assert record.created.startswith("20")
    with pytest.raises(ConfigError, match="looked at once"):
        run(recipe(place, "test_seen"), {}, place, final=True)


def test_heat_maps_are_held_against_random_ones(place):
    path = recipe(place)
    path.write_text(path.read_text().split("[detection]")[0] + "[heatmap]\ndataset = 'made'\nsplit = 'val'\npictures = 4\n")
    record = read_evaluation(run(path, {}, place) / "evaluation.json")
    found = record.sections["heatmap"]["val"]
    assert found["pictures"] == 4
    assert 0 <= found["hottest_larger"] <= 1
