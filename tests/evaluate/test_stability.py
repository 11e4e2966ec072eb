import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.evaluate.stability import stability
from tests.evaluate.answers import judged

LABELS = ("real", "real", "real", "ai", "ai")
CLEAN = ("no_ai_found", "no_ai_found", "unsure", "generated", "generated")


def found(*changed):
    return stability(judged(LABELS, CLEAN), {f"change {row}": judged(LABELS, verdicts) for row, verdicts in enumerate(changed)})


def test_one_accusing_re_encoding_is_enough_to_have_been_accused():
    measured = found(CLEAN, ("generated", "no_ai_found", "unsure", "generated", "generated"))
    assert (measured["never_accused"]["count"], measured["never_accused"]["of"]) == (2, 3)
    assert measured["ever_accused"]["count"] == 1
    assert measured["by_reencoding"]["change 1"]["accused"]["count"] == 1


def test_an_ai_picture_is_found_only_if_every_re_encoding_finds_it():
    measured = found(CLEAN, ("no_ai_found", "no_ai_found", "unsure", "generated", "unsure"))
    assert (measured["always_found"]["count"], measured["always_found"]["of"]) == (1, 2)
    assert measured["ever_found"]["count"] == 2


def test_unsure_is_no_accusation_but_another_verdict():
    measured = found(("unsure", "no_ai_found", "unsure", "generated", "generated"))
    assert measured["never_accused"]["count"] == 3
    assert (measured["verdict_unchanged"]["count"], measured["verdict_unchanged"]["of"]) == (4, 5)
