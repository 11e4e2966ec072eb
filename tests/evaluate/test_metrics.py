import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.evaluate.metrics import auc, brier, ece, prevalence_weights, rate

answers = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=60)


@given(answers, st.floats(0.005, 0.5))
def test_calibration_error_is_a_share(drawn, prevalence):
    labels, scores = np.array([label for label, _ in drawn]), np.array([score for _, score in drawn])
    assert 0 <= ece(labels, scores, prevalence) <= 1 + 1e-9
    assert 0 <= brier(labels, scores, prevalence) <= 1 + 1e-9


def test_prevalence_is_what_was_asked():
    labels = np.array([True] * 90 + [False] * 10)
    assert prevalence_weights(labels, 0.01)[labels].sum() == pytest.approx(0.01)


def test_a_calibrated_answer_has_no_calibration_error():
    labels = np.array([True] * 10 + [False] * 90)
    assert ece(labels, np.full(100, 0.1), 0.1) == pytest.approx(0, abs=1e-9)


def test_auc_needs_both_labels():
    assert auc(np.array([True, True]), np.array([0.1, 0.2])) is None


def test_a_rate_keeps_its_counts():
    assert rate(1, 100) == {
        "count": 1,
        "of": 100,
        "rate": 0.01,
        "upper": pytest.approx(0.0466, abs=1e-3),
        "lower": pytest.approx(0.0005, abs=1e-3),
    }
