import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.evaluate.fairness import by_group, largest_gap
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.skin import GROUPS, skin_group, typology_angle
from tests.evaluate.answers import judged

# From light to dark, as the eye would order them.
SKINS = ((247, 220, 200), (232, 190, 160), (205, 155, 120), (165, 115, 80), (110, 72, 50))


def portrait(colour):
    pixels = np.full((200, 200, 3), colour, dtype=np.float32) + np.random.default_rng(0).normal(0, 3, (200, 200, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def test_darker_skin_has_a_smaller_angle():
    angles = [typology_angle(portrait(colour)) for colour in SKINS]
    assert angles == sorted(angles, reverse=True)
    assert skin_group(portrait(SKINS[0])) in ("very light", "light")
    assert skin_group(portrait(SKINS[-1])) in ("brown", "dark")
    assert list(GROUPS.values()) == sorted(GROUPS.values(), reverse=True)


@pytest.mark.parametrize("colour", [(40, 90, 220), (30, 160, 40), (128, 128, 128), (5, 5, 5)])
def test_what_has_not_the_colour_of_skin_has_no_group(colour):
    assert skin_group(portrait(colour)) is None


def test_accusations_are_counted_by_group():
    answers = judged(["real"] * 4, ["generated", "no_ai_found", "no_ai_found", "unsure"])
    assert by_group(answers, ["tan", "tan", "dark", "dark"], ("dark", "tan", "light")) == {"dark": rate(0, 2), "tan": rate(1, 2)}


def test_nothing_is_claimed_of_a_group_with_too_few_pictures():
    gap = largest_gap({"light": rate(1, 500), "dark": rate(30, 99)}, fewest=100)
    assert gap["rate"] is None
    assert gap["left_out"] == ["dark"]
    assert gap["note"] == "no claim: 1 of 2 groups have 100 pictures"


def test_the_largest_gap_has_a_bound_that_holds_for_all_pairs():
    gap = largest_gap({"light": rate(2, 400), "tan": rate(12, 300), "dark": rate(4, 200)}, fewest=100)
    assert gap["between"] == ["tan", "light"]
    assert gap["rate"] == pytest.approx(0.04 - 0.005)
    pairwise = rate(12, 300)["upper"] - rate(2, 400)["lower"]
    assert pairwise < gap["upper"] < 0.12
