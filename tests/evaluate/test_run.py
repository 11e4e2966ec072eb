"""Evaluation from bundle to record, on pictures made by code and a bundle that knows nothing."""

import shutil
from dataclasses import replace

import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import ConfigError, DataError
from pellucid.evaluate.run import run
from pellucid.records.dataset import read_dataset, write_dataset
from pellucid.records.evaluation import read_evaluation
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
    assert found["accused_per_10000"]["upper"] == pytest.approx(1e4 * found["accused"]["upper"], abs=0.1)
    assert {(folder / name).exists() for name in ("roc.png", "confusion.png", "report.html")} == {True}
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


CAPTIONS = """
kind = "evaluation"
name = "captions"
bundle = "tiny"

[captions]
dataset = "told"
sources = [["made", "val"]]

[tags]
dataset = "told"
sources = [["made", "val"]]
"""


def test_features_of_whole_pictures_are_extracted_where_they_lack(place):
    told(place)
    path = place / "captions.toml"
    path.write_text(CAPTIONS)
    sections = read_evaluation(run(path, {}, place) / "evaluation.json").sections
    assert sections["captions"]["made/val"]["pictures"] == 12
    assert sections["tags"]["made/val"]["pictures"] == 12


PARITY = """
kind = "evaluation"
name = "parity"
bundle = "tiny"

[caption_parity]
dataset = "told"
source = "made"
split = "val"
pictures = 5
"""


def told(place):
    made = read_dataset(place / "data" / "made")
    samples = [replace(one, captions=("A grey square.", "A plain picture of a dog."), objects=("dog",)) for one in made.samples]
    write_dataset(replace(made, samples=tuple(samples)), place / "data" / "told")


def test_captions_as_served_are_held_against_float32(place):
    told(place)
    path = place / "parity.toml"
    path.write_text(PARITY)
    with pytest.raises(DataError, match="no float32 to compare with"):
        run(path, {}, place)
    reference = place / "float32" / "tiny"
    reference.mkdir(parents=True)
    make_tiny_bundle(place / "other", seed=5)
    shutil.copy(place / "other" / "caption.onnx", reference / "caption.onnx")
    found = read_evaluation(run(path, {}, place) / "evaluation.json").sections["caption_parity"]["made/val"]
    assert (found["pictures"], found["encoder"], found["captioner"]) == (5, "as served", "float32")
    assert found["sentences_changed"]["count"] == 5
    shutil.copy(place / "bundles" / "tiny" / "caption.onnx", reference / "caption.onnx")
    found = read_evaluation(run(path, {}, place) / "evaluation.json").sections["caption_parity"]["made/val"]
    assert found["cider_lost"] == found["sentences_changed"]["count"] == 0


ROBUSTNESS = """
kind = "evaluation"
name = "robustness"
bundle = "tiny"

[stability]
dataset = "made"
splits = ["val"]
pictures = 4
expect = { never_accused = { at_least = 0.0 }, always_found = { at_least = 1.1 } }

[fairness]
dataset = "made"
splits = ["val"]
expect = { skin_gap = { at_most = 0.03 } }

[failure_modes]
dataset = "made"

[failure_modes.modes.meme]
splits = ["val"]
pictures = 2
declared = ["photo"]
change = "meme"
expect = { unchanged = { at_least = 0.0 } }

[failure_modes.modes.anime]
splits = ["val"]
pictures = 2
declared = ["anime"]

[behaviour]
dataset = "made"
splits = ["val"]
pictures = 1
scenes = 1
expect = { policy_minimum_unscanned = { at_least = 1.0 }, misspelt = { at_least = 1.0 } }

[time_order]
dataset = "made"
splits = ["val"]
released = { code = "2024-05" }

[replay]
dataset = "made"
splits = ["val"]
penalty = 1000.0
"""


def test_every_further_section_is_measured_and_held_against_what_was_expected(place):
    path = place / "robustness.toml"
    path.write_text(ROBUSTNESS)
    folder = run(path, {}, place)
    sections = read_evaluation(folder / "evaluation.json").sections
    assert sections["stability"]["pictures"] == {"ai": 2, "real": 2}
    assert len(sections["stability"]["by_reencoding"]) == 12
    assert sections["failure_modes"]["meme"]["unchanged"]["of"] == 2
    assert sections["failure_modes"]["anime"]["accused"]["of"] == 2
    assert sections["behaviour"]["detector_invariance_bytes"]["rate"] == 1
    assert sections["time_order"]["generators"]["code"]["recall"]["of"] == 6
    assert sections["replay"]["replay_rows"] == 12
    results = {one["measure"]: one["result"] for one in sections["expectations"]["each"]}
    assert results == {
        "never_accused": "passed",
        "always_found": "failed",
        "skin_gap": "not measured",
        "unchanged": "passed",
        "policy_minimum_unscanned": "passed",
        "misspelt": "not measured",
    }
    page = (folder / "report.html").read_text()
    assert page.index("Expectations that failed") < page.index("Stability</h2>")
    assert "data:image/png;base64," in page
