import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.evaluate.time_order import time_order
from tests.evaluate.answers import judged

LABELS = ["real", "real", "ai", "ai", "ai", "ai", "ai"]
VERDICTS = ["no_ai_found", "no_ai_found", "generated", "generated", "no_ai_found", "generated", "generated"]
GENERATORS = [None, None, "Old", "Old", "New", "New", "Nobody knows"]
RELEASED = {"New": "2025-03", "Old": "2022-08", "Never drawn": "2023-01"}


def test_periods_and_generators_stand_in_the_order_of_their_release():
    found = time_order(judged(LABELS, VERDICTS, generators=GENERATORS), RELEASED)
    assert list(found["periods"]) == ["2022", "2025"]
    assert list(found["generators"]) == ["Old", "New"]
    assert found["generators"]["New"]["recall"]["count"] == 1
    assert found["newest_recall"] == found["periods"]["2025"]["recall"]


def test_each_period_is_ranked_against_all_real_pictures():
    found = time_order(judged(LABELS, VERDICTS, generators=GENERATORS), RELEASED)
    assert found["periods"]["2022"]["auc"] == 1.0
    assert found["periods"]["2025"]["auc"] == found["worst_auc"] == 0.75


def test_a_generator_without_a_date_is_counted_not_placed():
    assert time_order(judged(LABELS, VERDICTS, generators=GENERATORS), RELEASED)["undated"] == {"Nobody knows": 1}
