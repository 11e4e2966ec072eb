"""Data sets known by name, read by their shipped recipes from miniatures in their layout."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path

import pytest

from pellucid.base.errors import DataError
from pellucid.ingest.readers import read
from pellucid.ingest.recipe import DataRecipe, Source
from pellucid.ingest.run import run
from pellucid.records.dataset import read_dataset
from pellucid.records.recipe import load_recipe
from tests.pictures import jpeg

RECIPES = Path(str(files("pellucid.defaults") / "recipes"))
PAIRS = 24


@pytest.fixture
def seed_set(tmp_path: Path) -> Path:
    """train.csv with an unnamed first column, file_name and label; rows in pairs, the generated one first."""
    root = tmp_path / "seed"
    (root / "train_data").mkdir(parents=True)
    with (root / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "file_name", "label"])
        for row in range(2 * PAIRS):
            name = f"train_data/{row:032x}.jpg"
            (root / name).write_bytes(jpeg(96, 96, seed=row))
            writer.writerow([row, name, 1 - row % 2])
    return root


def test_pairs_of_the_seed_data_set_are_never_torn_apart(seed_set: Path, tmp_path: Path) -> None:
    folder = run(RECIPES / "ai-vs-human-data.toml", {"seed": seed_set}, tmp_path / "runs")
    dataset = read_dataset(folder)
    assert len(dataset.samples) == 2 * PAIRS
    splits: dict[str | None, set[str]] = {}
    for sample in dataset.samples:
        splits.setdefault(sample.group, set()).add(sample.split)
    assert len(splits) == PAIRS
    assert all(len(of_pair) == 1 for of_pair in splits.values())
    assert {sample.split for sample in dataset.samples} == {"train", "val", "test"}
    assert {sample.generator for sample in dataset.samples if sample.label == "real"} == {None}
    assert {sample.generator for sample in dataset.samples if sample.label == "ai"} == {"not named"}


def test_the_seed_data_sets_detector_trains_on_the_miniature(seed_set: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra `train`")
    from pellucid.nets.image import Network
    from pellucid.records.checkpoint import read_checkpoint
    from pellucid.train.image_recipe import ImageRecipe
    from pellucid.train.image_run import run_image_detector

    run(RECIPES / "ai-vs-human-data.toml", {"seed": seed_set}, tmp_path / "runs")
    told = load_recipe(RECIPES / "ai-vs-human.toml", ImageRecipe)
    shape = {"depths": [1], "widths": [8], "stem": 8}
    tiny = Network.model_validate({"architecture": "resnet50", "input_px": 32, "resnet": shape})
    plan = told.optimiser.model_copy(update={"epochs": 1, "batch": 16, "precision": "float32"})
    small = told.model_copy(update={"network": tiny, "optimiser": plan})
    folder = run_image_detector(small, {}, tmp_path / "runs")
    assert read_checkpoint(folder, "image-detector").origin.metrics["calibrated_on"] == "val"
    assert (folder / "thresholds.json").exists()


def test_rows_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("file_name,label\na.jpg,1\nb.jpg,0\nc.jpg,1\nd.jpg,1\n")
    source = Source(
        root="seed", reader="csv", manifest="train.csv", columns={"path": "file_name", "label": "label"},
        labels={"1": "ai", "0": "real"}, paired=True,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"train\.csv:4: c\.jpg and the row after it are no pair"):
        read(source, tmp_path)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Captions and instances of train2017 and val2017, with categories that skip numbers as COCO's do."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for split, count, first in (("train2017", 60, 0), ("val2017", 6, 1000)):
        (root / split).mkdir()
        numbers = range(first, first + count)
        for number in numbers:
            (root / split / f"{number:012}.jpg").write_bytes(jpeg(96, 80, seed=number))
        images = [{"id": number, "file_name": f"{number:012}.jpg", "license": 3} for number in numbers]
        licences = [{"id": 3, "name": "Attribution-NonCommercial-NoDerivs License"}]
        captions = [
            {"image_id": number, "id": 5 * number + of, "caption": f"A dog {of}."} for number in numbers for of in range(5)
        ]
        things = [{"image_id": number, "id": number, "category_id": 18} for number in numbers if number % 2]
        things += [{"image_id": number, "id": 9000 + number, "category_id": 1} for number in numbers if number % 2]
        categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
        for name, content in (
            ("captions", {"images": images, "annotations": captions, "licenses": licences}),
            ("instances", {"images": images, "annotations": things, "categories": categories}),
        ):
            (root / "annotations" / f"{name}_{split}.json").write_text(json.dumps(content))
    return root


def test_full_coco_is_read_in_its_standard_layout(coco: Path, tmp_path: Path) -> None:
    """With a larger share of val than the shipped 2 %, of which a miniature would see none."""
    told = (RECIPES / "coco2017-data.toml").read_text()
    (tmp_path / "coco.toml").write_text(told.replace("{ train = 0.98, val = 0.02 }", "{ train = 0.7, val = 0.3 }"))
    dataset = read_dataset(run(tmp_path / "coco.toml", {"coco": coco}, tmp_path / "runs"))
    splits = {split: len(dataset.only(split).samples) for split in ("train", "val", "test")}
    assert splits["test"] == 6
    assert splits["train"] + splits["val"] == 60
    assert 5 < splits["val"] < 35
    assert all(len(sample.captions) == 5 and sample.label is None for sample in dataset.samples)
    odd = [sample for sample in dataset.samples if int(Path(sample.path).stem) % 2]
    assert {sample.objects for sample in odd} == {("dog", "person")}
    assert {sample.objects for sample in dataset.samples if sample not in odd} == {()}
    assert {sample.licence for sample in dataset.samples} == {"Attribution-NonCommercial-NoDerivs License"}


def test_a_missing_instance_file_is_named(coco: Path, tmp_path: Path) -> None:
    (coco / "annotations" / "instances_train2017.json").unlink()
    with pytest.raises(DataError, match=r"No such file.*instances_train2017\.json"):
        run(RECIPES / "coco2017-data.toml", {"coco": coco}, tmp_path / "runs")


def test_objects_without_captions_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="which `annotations` does not name"):
        Source(root="coco", reader="coco", annotations={"a.json": "train"}, objects={"b.json": "c.json"})


@pytest.mark.parametrize("name", ["ai-vs-human-data", "coco2017-data"])
def test_reads_the_shipped_recipe(name: str) -> None:
    assert load_recipe(RECIPES / f"{name}.toml", DataRecipe).weaknesses
