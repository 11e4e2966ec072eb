from importlib.resources import files

import pytest
from pydantic import ValidationError

from pellucid.base.errors import ConfigError
from pellucid.ingest.recipe import DataRecipe, Source
from pellucid.records.recipe import load_recipe

RECIPES = files("pellucid.defaults") / "recipes"
NAMES = ("detection-data", "detection-data-smoke", "caption-data", "caption-data-smoke", "bundle-data-smoke")


@pytest.mark.parametrize("name", NAMES)
def test_reads_the_shipped_recipe(name):
    assert load_recipe(RECIPES / f"{name}.toml", DataRecipe).name == name


def test_the_shipped_detection_recipe_guards_the_served_chain():
    told = load_recipe(RECIPES / "detection-data.toml", DataRecipe)
    assert (told.guard.chain, told.guard.limit, told.guard.split) == ("equalised", 0.60, "train")
    assert set(told.duplicates.precedence) >= {"test_unseen", "test_seen", "test_hardneg", "val", "online", "train"}


def test_names_the_line_of_a_mistake(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text((RECIPES / "detection-data.toml").read_text().replace("per_label = 3000", "per_lable = 3000"))
    with pytest.raises(ConfigError, match=r"recipe.toml:\d+: guard.per_lable: there is no such key; did you mean .?per_label"):
        load_recipe(path, DataRecipe)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"reader": "csv"}, "needs `manifest`"),
        ({"reader": "coco"}, "needs `annotations`"),
        ({"reader": "folders", "splits": {"a": "training"}}, "unknown splits"),
        ({"reader": "folders", "columns": {"picture": "a"}}, "unknown fields"),
    ],
)
def test_refuses_a_source_that_is_not_whole(told, message):
    with pytest.raises(ValidationError, match=message):
        Source(root="a", **told)
