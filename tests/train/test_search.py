"""A search varies what its recipe names, says what it does not know, and leaves a recipe that reads like the first."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from benchmarks.made_detection import RECIPE

from pellucid.base.errors import ConfigError
from pellucid.records.recipe import load_recipe
from pellucid.train.detector_recipe import DetectorRecipe
from pellucid.train.search import own_values, vary
from pellucid.train.trials import Trial, table, with_values

SPACE = """
[search.space]
"optimiser.lr" = { low = 1e-4, high = 1e-2, log = true }
"head.width" = { choices = [2, 8] }
"""


def read(folder: Path, text: str) -> DetectorRecipe:
    path = folder / "made.toml"
    path.write_text(text)
    return load_recipe(path, DetectorRecipe)


def test_a_trial_is_the_recipe_with_other_values(tmp_path: Path) -> None:
    recipe = read(tmp_path, RECIPE + SPACE)
    assert recipe.search is not None
    assert own_values(recipe, recipe.search) == {"optimiser.lr": 3e-3, "head.width": 4}
    varied = vary(recipe, {"optimiser.lr": 1e-3, "head.width": 8})
    assert (varied.optimiser.lr, varied.head.width) == (1e-3, 8)
    assert varied.optimiser.epochs == recipe.optimiser.epochs
    assert vary(recipe, own_values(recipe, recipe.search)) == recipe


@pytest.mark.parametrize(("values", "says"), [
    ({"optimiser.rate": 1.0}, "no field optimiser.rate"), ({"nothing.lr": 1.0}, "no field nothing.lr"),
    ({"optimiser.lr": -1.0}, "greater than 0"),
])  # fmt: skip
def test_a_place_or_value_that_cannot_be_is_refused(tmp_path: Path, values: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        vary(read(tmp_path, RECIPE), values)


@pytest.mark.parametrize(("space", "says"), [
    ("{ low = 2, high = 1 }", "low < high"),
    ("{ low = 0, high = 1, log = true }", "more than 0"),
    ("{ choices = [] }", "at least 1"),
])  # fmt: skip
def test_a_space_that_cannot_be_drawn_from_is_refused(tmp_path: Path, space: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, f'{RECIPE}\n[search.space]\n"optimiser.lr" = {space}\n')


def test_the_best_recipe_keeps_its_comments_and_loses_its_search(tmp_path: Path) -> None:
    text = with_values(RECIPE + SPACE, {"optimiser.lr": 1e-3, "head.width": 8}, "made-best")
    assert "width = 8                        # how wide" in text
    best = DetectorRecipe.model_validate(tomllib.loads(text))
    expected = vary(read(tmp_path, RECIPE), {"optimiser.lr": 1e-3, "head.width": 8})
    assert best == expected.model_copy(update={"name": "made-best"})


def test_the_table_marks_the_recipe_itself_and_what_was_ended() -> None:
    trials = [Trial({"head.width": 8}, (0.7, 0.8), 2.0, False), Trial({"head.width": 4}, (0.6,), 1.0, True)]
    first, _, best, other = table(trials, {"head.width": 4}).splitlines()
    assert first == "| `head.width` | score | rounds | seconds | |"
    assert best == "| 8 | 0.8000 | 2 | 2.0 |  |"
    assert other == "| 4 | 0.6000 | 1 | 1.0 | as the recipe, ended early |"
