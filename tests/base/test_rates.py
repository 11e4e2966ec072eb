import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.rates import lower_bound, upper_bound


def test_agrees_with_the_rule_of_three():
    assert upper_bound(0, 300) == pytest.approx(3 / 300, rel=0.01)


@pytest.mark.parametrize(("hits", "trials", "expected"), [(1, 100, 0.04656), (5, 530, 0.01972), (10, 100, 0.16372)])
def test_agrees_with_published_clopper_pearson_bounds(hits, trials, expected):
    assert upper_bound(hits, trials) == pytest.approx(expected, abs=2e-4)


def test_knows_nothing_without_trials():
    assert (lower_bound(0, 0), upper_bound(0, 0)) == (0.0, 1.0)


@given(st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_bounds_enclose_the_rate(counted):
    hits, trials = counted
    assert 0 <= lower_bound(hits, trials) <= hits / trials <= upper_bound(hits, trials) <= 1
