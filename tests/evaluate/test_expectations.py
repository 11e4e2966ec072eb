from pathlib import Path

import pytest
from pydantic import ValidationError

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import ConfigError
from pellucid.evaluate.expectations import held
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import Bound, EvaluationRecipe, FairnessPart, StabilityPart
from pellucid.records.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "src" / "pellucid" / "defaults" / "recipes"


def stability(**expect):
    return {"stability": StabilityPart(dataset="made", splits=("val",), pictures=2, expect=expect)}


def only(parts, section):
    found = held(parts, dict.fromkeys(parts, section))
    return found["each"][0]


def test_a_rate_that_keeps_its_bound_passes_and_says_whether_it_is_sure():
    expect = {"never_accused": Bound(at_least=0.98)}
    assert (only(stability(**expect), {"never_accused": rate(100, 100)})["sure"]) is False
    assert (only(stability(**expect), {"never_accused": rate(1000, 1000)})["sure"]) is True
    assert only(stability(**expect), {"never_accused": rate(100, 100)})["result"] == "passed"


def test_a_rate_beyond_its_bound_fails():
    assert only(stability(never_accused=Bound(at_least=0.98)), {"never_accused": rate(97, 100)})["result"] == "failed"
    assert only(stability(ever_accused=Bound(at_most=0.02)), {"ever_accused": rate(3, 100)})["result"] == "failed"


@pytest.mark.parametrize("section", [{}, {"never_accused": rate(0, 0)}, {"never_accused": None}])
def test_what_was_not_measured_has_not_passed(section):
    found = held(stability(never_accused=Bound(at_least=0.98)), {"stability": section})
    assert (found["passed"], found["not measured"]) == (0, 1)


def test_a_gap_of_which_nothing_is_claimed_has_not_passed():
    part = FairnessPart(dataset="made", splits=("val",), expect={"skin_gap": Bound(at_most=0.03)})
    gap = {"rate": None, "upper": None, "note": "no claim"}
    assert held({"fairness": part}, {"fairness": {"skin_gap": gap}})["not measured"] == 1


def test_a_bound_has_one_side():
    with pytest.raises(ValidationError, match="exactly one"):
        Bound(at_least=0.1, at_most=0.2)
    with pytest.raises(ValidationError, match="exactly one"):
        Bound()


def test_an_unknown_change_is_refused_at_its_line(tmp_path):
    path = tmp_path / "evaluation.toml"
    path.write_text(
        'kind = "evaluation"\nname = "x"\nbundle = "y"\n[failure_modes]\ndataset = "made"\n'
        '[failure_modes.modes.moonlight]\nsplits = ["val"]\npictures = 3\nchange = "moonlight"\n'
    )
    with pytest.raises(ConfigError, match=r"evaluation\.toml:6: .*no change 'moonlight'; known are plain, night"):
        load_recipe(path, EvaluationRecipe)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("evaluation*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_read_and_only_final_ones_ask_for_test_splits(path):
    recipe = load_recipe(path, EvaluationRecipe)
    splits = frozenset().union(*(part.splits_asked for part in recipe.parts.values()))
    assert any(name.startswith("test") for name in splits) == ("--final" in path.read_text())
