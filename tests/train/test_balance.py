import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pellucid.train.balance import group_folds, sample_weights

rows = st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"), st.sampled_from(["face", "art"])), min_size=8, max_size=80)


def unpack(drawn):
    labels = np.array([label for label, _, _ in drawn])
    groups = [f"{'ai' if label else 'real'}:{name}" for label, name, _ in drawn]
    return labels, groups, [domain for _, _, domain in drawn]


@given(rows)
def test_both_labels_weigh_alike(drawn):
    labels, groups, domains = unpack(drawn)
    weights = sample_weights(labels, groups, domains, limit=4.0)
    if labels.any() and (~labels).any():
        assert np.isclose(weights[labels].sum(), weights[~labels].sum(), rtol=1e-3)
    assert np.isclose(weights.mean(), 1, rtol=1e-3)


def test_a_picture_of_a_big_source_weighs_less():
    groups = ["real:big"] * 90 + ["real:small"] * 10 + ["ai:one"] * 10
    weights = sample_weights(np.arange(110) >= 100, groups, ["photo"] * 110, limit=4.0)
    assert np.isclose(weights[95] / weights[0], 3.0, rtol=1e-3)


def test_labels_are_evened_out_within_a_domain():
    labels = np.array([True] * 30 + [False] * 10 + [True] * 10 + [False] * 30)
    domains = ["face"] * 40 + ["art"] * 40
    weights = sample_weights(labels, [str(label) for label in labels], domains, limit=10.0)
    face = np.arange(80) < 40
    assert np.isclose(weights[face & labels].sum(), weights[face & ~labels].sum(), rtol=1e-3)


@given(rows)
def test_a_group_is_in_one_fold(drawn):
    labels, groups, _ = unpack(drawn)
    folds = group_folds(groups, labels, 3)
    for group in set(groups):
        assert len({int(fold) for fold, name in zip(folds, groups, strict=True) if name == group}) == 1
