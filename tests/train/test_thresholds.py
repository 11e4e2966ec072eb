import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.train.detector_recipe import Verdict
from pellucid.train.thresholds import choose_threshold, fit_calibration, mixed, slice_thresholds

RULE = Verdict(budget_per_10000=100, near_below=1, near_above=1, reencodings=())
scores = st.lists(st.floats(0.001, 0.99), min_size=20, max_size=400).map(np.array)


@given(scores, st.floats(10, 900))
def test_keeps_to_the_budget(real, budget):
    threshold, found = choose_threshold(real, np.ones(len(real)), budget)
    assert threshold is not None
    assert (real >= threshold).mean() <= budget / 10_000
    assert found.upper >= found.accused_per_10000


@given(scores, scores, st.floats(0, 1), st.floats(10, 900))
def test_keeps_to_the_budget_over_known_and_unknown_sources(unknown, known, known_share, budget):
    size = min(len(unknown), len(known))
    scored = mixed([], np.zeros(size, bool), unknown[:size], known[:size], known_share)
    threshold, found = choose_threshold(scored.logits, scored.counts, budget)
    assert threshold is not None
    accused = [(part[:size] >= threshold).mean() for part in (unknown, known)]
    assert (1 - known_share) * accused[0] + known_share * accused[1] <= budget / 10_000 + 1e-6
    assert found.measured_on == size


def test_abstains_where_real_pictures_look_like_ai():
    threshold, budget = choose_threshold(np.full(500, 0.99995), np.ones(500), 100)
    assert threshold is None
    assert budget.accused_per_10000 == 0


def test_a_small_slice_inherits_from_its_parent():
    slices = ["face/large"] * 400 + ["art/large"] * 20
    found = slice_thresholds(np.linspace(0, 0.9, 420), np.ones(420), slices, RULE)
    assert found["art/large"].threshold == found["all"].threshold
    assert found["art/large"].parent == "all"
    assert found["art/large"].inherited
    assert not found["face"].inherited
    assert found["face"].parent is None


def test_a_small_domain_that_looks_like_ai_stands_apart_and_spares_the_others():
    slices = ["photo/large"] * 900 + ["art/large"] * 150 + ["chart/large"] * 120
    photo, art, chart = np.linspace(0, 0.3, 900), np.linspace(0.2, 0.8, 150), np.linspace(0, 0.2, 120)
    found = slice_thresholds(np.concatenate([photo, art, chart]), np.ones(1170), slices, RULE)
    assert found["art"].threshold > 0.79
    assert not found["art"].inherited
    assert found["art/large"].threshold == found["art"].threshold
    assert found["all"].threshold < 0.31
    assert found["chart"].threshold == found["all"].threshold


def test_all_is_of_all_where_every_domain_stands_apart():
    slices = ["photo/large"] * 200 + ["art/large"] * 150
    real = np.concatenate([np.linspace(0, 0.9, 200), np.linspace(0, 0.9, 150)])
    found = slice_thresholds(real, np.ones(350), slices, RULE.model_copy(update={"budget_per_10000": 500}))
    assert not found["art"].inherited
    assert not found["photo"].inherited
    assert found["all"].budget.measured_on == 350


@given(
    st.lists(st.sampled_from(["face/large", "face/small", "art/large", "photo/small"]), min_size=20, max_size=200),
    st.integers(1, 80),
)
def test_a_slice_has_a_parent_exactly_where_it_inherits(slices, fewest):
    rule = RULE.model_copy(update={"budget_per_10000": 500, "fewest_real": fewest, "fewest_apart": 5})
    found = slice_thresholds(np.linspace(0.01, 0.9, len(slices)), np.ones(len(slices)), slices, rule)
    assert all(one.inherited == (one.parent is not None) for one in found.values())
    assert all(one.threshold == found[one.parent].threshold for one in found.values() if one.parent)
    assert not any(found[one.parent].inherited for one in found.values() if one.parent)


def test_calibration_recovers_the_stated_prior():
    draw = np.random.default_rng(0)
    labels = draw.random(20_000) < 0.5
    logits = draw.normal(np.where(labels, 1.0, -1.0), 1.0)
    calibration = fit_calibration(logits, labels, np.ones(20_000, np.float32), prior=0.1)
    assert calibration.a == pytest.approx(2.0, rel=0.05)
    assert calibration.b == pytest.approx(np.log(0.1 / 0.9), abs=0.1)
