"""Templates hold for what is right and fail for what is wrong; a template that cannot fail says nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.analyse.moderation import load_policy
from pellucid.analyse.policy import Condition, Policy, Rule, When
from pellucid.evaluate.behaviour_policy import POLICY_TESTS
from pellucid.evaluate.scenes import COLOURS, other_colour, scenes


def share(name, policy):
    (test,) = [test for test in POLICY_TESTS if test.name == name]
    return float(np.mean(list(test.cases(SimpleNamespace(policy=policy, seed=0)))))


def policy_of(*rules):
    return Policy(name="made", version=1, rules=(*rules, Rule(name="default", decision="allow", reason="Nothing applies.")))


@pytest.mark.parametrize("test", POLICY_TESTS, ids=lambda test: test.name)
def test_the_shipped_policy_passes(test):
    assert share(test.name, load_policy()) == 1


def test_a_policy_that_forgives_the_worst_is_noticed():
    mild = Rule(name="mild", decision="allow", reason="r", when=When(all=(Condition(score="nsfw", at_least=0.9),)))
    strict = Rule(name="strict", decision="block", reason="r", when=When(all=(Condition(score="nsfw", at_least=0.3),)))
    assert share("policy_direction_nsfw", policy_of(mild, strict)) < 1


def test_a_policy_that_allows_what_was_not_scanned_is_noticed():
    assert share("policy_minimum_unscanned", policy_of()) == 0


def test_a_policy_that_trusts_ai_pictures_is_noticed():
    trusting = Rule(name="trusting", decision="allow", reason="r", when=When(all=(Condition(verdict=("generated",)),)))
    strict = Rule(name="strict", decision="review", reason="r", when=When(all=(Condition(score="gore", at_least=0.3),)))
    assert share("policy_direction_generated", policy_of(trusting, strict)) < 1


def test_scenes_differ_only_in_what_was_changed():
    for scene in scenes(6, seed=1):
        other = other_colour(scene)
        ground, first, second = (np.asarray(one.picture(), dtype=int) for one in (scene.without_thing(), scene, other))
        assert np.array_equal(ground[:20], first[:20])
        assert np.array_equal(ground[:20], second[:20])
        changed = np.abs(first - ground).max(axis=2) > 40
        assert 0.02 < changed.mean() < 0.4
        assert np.abs(second - first)[changed].mean() > 20
        assert other.colour in set(COLOURS) - {scene.colour}
