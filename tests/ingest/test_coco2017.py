"""MS COCO 2017 in the layout its archives unpack to, as a miniature."""

import json
from importlib.resources import files

import pytest

from pellucid.ingest.recipe import DataRecipe, Source
from pellucid.ingest.run import run
from pellucid.records.dataset import read_dataset
from pellucid.records.recipe import load_recipe
from tests.pictures import saved, scene

RECIPE = files("pellucid.defaults") / "recipes" / "coco2017.toml"


def coco(folder, split, first, count):
    """`count` pictures and an annotation file with COCO's own keys."""
    (folder / split).mkdir(parents=True)
    (folder / "annotations").mkdir(exist_ok=True)
    names = [f"{number:012d}.jpg" for number in range(first, first + count)]
    for number, name in enumerate(names):
        (folder / split / name).write_bytes(saved(scene(160, 120, first + number), "JPEG"))
    content = {
        "info": {"year": 2017},
        "licenses": [{"id": 4, "name": "Attribution License", "url": "-"}],
        "images": [{"license": 4, "file_name": name, "height": 120, "width": 160, "id": int(name[:-4])} for name in names],
        "annotations": [{"image_id": int(name[:-4]), "id": int(name[:-4]), "caption": f"A scene {name}."} for name in names],
    }
    (folder / "annotations" / f"captions_{split}.json").write_text(json.dumps(content))


def test_train2017_is_split_by_hash_and_val2017_is_the_test(tmp_path):
    coco(tmp_path / "coco", "train2017", 1, 12)
    coco(tmp_path / "coco", "val2017", 101, 3)
    run(RECIPE, {"coco": tmp_path / "coco"}, tmp_path / "out")
    found = read_dataset(tmp_path / "out" / "data" / "coco2017")
    splits = {sample.path: sample.split for sample in found.samples}
    assert {path for path, split in splits.items() if split == "test"} == {
        f"val2017/{number:012d}.jpg" for number in (101, 102, 103)
    }
    assert {split for path, split in splits.items() if path.startswith("train2017")} <= {"train", "val"}
    assert len(splits) == 15
    assert {sample.licence for sample in found.samples} == {"Attribution License"}
    assert found.samples[0].captions == (f"A scene {found.samples[0].path.split('/')[1]}.",)


def test_two_in_a_hundred_are_kept_to_choose_by():
    told = load_recipe(RECIPE, DataRecipe)
    assert told.shares == {"train": 0.98, "val": 0.02}
    assert told.sources[0].annotations == {"annotations/captions_train2017.json": "shares"}


def test_only_captions_may_draw_their_split():
    with pytest.raises(ValueError, match="unknown splits"):
        Source(root="a", reader="csv", manifest="m.csv", columns={"path": "file"}, splits={"train": "shares"})
