"""A decision is always there, names its rule, and never gets milder as a picture gets worse."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.moderation import moderate
from pellucid.analyse.policy import Policy, load_policy
from pellucid.ingest.recipe import DataRecipe
from pellucid.records.recipe import load_recipe
from pellucid.records.report import Decision, VerdictLabel

SEVERITY: tuple[Decision, ...] = ("allow", "limit", "review", "block")
LABELS: tuple[VerdictLabel, ...] = ("generated", "edited", "captured", "no_ai_found", "unsure")
DOMAINS = ("face", "photo", "art", "anime-comic", "screenshot", "a domain nobody knows", None)

probability = st.floats(0, 1)
scores = st.dictionaries(st.sampled_from(["nsfw", "gore", "safe", "shirtless", "swimwear", "knife", "beer", "dog"]), probability)
SHIPPED = load_policy()

SCORE = st.sampled_from(["nsfw", "gore", "safe"])
CONDITION = st.one_of(
    st.fixed_dictionaries({"score": SCORE, "at_least": probability}),
    st.fixed_dictionaries({"score": SCORE, "below": probability}),
    st.fixed_dictionaries({"verdict": st.lists(st.sampled_from(LABELS), min_size=1)}),
    st.fixed_dictionaries({"domain": st.lists(st.sampled_from(["face", "art"]), min_size=1)}),
    st.fixed_dictionaries({"missing": SCORE}),
)
CONDITIONS = st.lists(CONDITION, min_size=1, max_size=3)
WHEN = st.one_of(st.fixed_dictionaries({"all": CONDITIONS}), st.fixed_dictionaries({"any": CONDITIONS}))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    decisions = draw(st.lists(st.sampled_from(SEVERITY), min_size=1, max_size=5))
    rules = [{"name": f"rule_{number}", "decision": decision, "reason": "why"} for number, decision in enumerate(decisions)]
    for rule in rules[:-1]:
        rule["when"] = draw(WHEN)
    return Policy.model_validate({"name": "drawn", "version": 1, "rules": rules})


@given(policies(), scores, st.sampled_from([*LABELS, None]), st.sampled_from(DOMAINS))
def test_any_policy_decides_about_anything(
    policy: Policy, found: dict[str, float], label: VerdictLabel, domain: str | None
) -> None:
    answer = moderate(policy, found, label, domain)
    assert answer.rule in {rule.name for rule in policy.rules}
    assert answer.decision in SEVERITY


@given(policies(), scores, st.sampled_from([*LABELS, None]), st.sampled_from(DOMAINS))
def test_the_first_rule_that_holds_decides(
    policy: Policy, found: dict[str, float], label: VerdictLabel, domain: str | None
) -> None:
    fired = moderate(policy, found, label, domain).rule
    place = [rule.name for rule in policy.rules].index(fired)
    later = Policy.model_validate(policy.model_dump() | {"rules": [rule.model_dump() for rule in policy.rules[place:]]})
    assert moderate(later, found, label, domain).rule == fired


@given(scores, probability, probability, st.sampled_from(LABELS), st.sampled_from(DOMAINS), st.sampled_from(["nsfw", "gore"]))
def test_a_higher_score_never_gives_a_milder_decision(
    found: dict[str, float], one: float, other: float, label: VerdictLabel, domain: str | None, name: str
) -> None:
    low, high = sorted([one, other])
    before = moderate(SHIPPED, found | {name: low}, label, domain)
    after = moderate(SHIPPED, found | {name: high}, label, domain)
    assert SEVERITY.index(after.decision) >= SEVERITY.index(before.decision)


@given(probability, st.sampled_from(LABELS), st.sampled_from(DOMAINS))
def test_the_safety_model_alone_never_blocks(nsfw: float, label: VerdictLabel, domain: str | None) -> None:
    assert moderate(SHIPPED, {"nsfw": nsfw, "gore": 1.0, "bare_skin": 0.1}, label, domain).decision != "block"


def test_blocks_where_two_models_agree_about_a_photograph_but_not_about_a_drawing() -> None:
    found = {"nsfw": 0.95, "gore": 0.01, "shirtless": 0.9, "swimwear": 0.1}
    assert moderate(SHIPPED, found, "no_ai_found", "photo").decision == "block"
    assert moderate(SHIPPED, found, "no_ai_found", "anime-comic").decision == "review"


def test_a_picture_that_nobody_scanned_goes_to_a_person() -> None:
    answer = moderate(SHIPPED, {"dog": 0.9})
    assert (answer.decision, answer.rule) == ("review", "unscanned")


def test_an_ordinary_picture_is_allowed_and_its_scores_are_shown() -> None:
    answer = moderate(SHIPPED, {"nsfw": 0.03123, "gore": 0.02, "safe": 0.95, "dog": 0.99, "shirtless": 0.01, "swimwear": 0.02})
    assert (answer.decision, answer.rule, answer.policy) == ("allow", "default", "moderation@1")
    assert answer.scores == {"nsfw": 0.0312, "gore": 0.02, "bare_skin": 0.02}


def test_what_is_compared_is_what_is_shown() -> None:
    """0.84996 is shown as 0.85: a moderator who reads the rule must find it fulfilled."""
    answer = moderate(SHIPPED, {"nsfw": 0.84996, "gore": 0.0})
    assert answer.rule == "likely_nudity"
    assert answer.scores["nsfw"] == 0.85


@pytest.mark.parametrize("label", LABELS)
def test_a_likeness_that_may_be_sexual_is_looked_at_sooner_if_ai_made_it(label: VerdictLabel) -> None:
    decision = moderate(SHIPPED, {"nsfw": 0.75, "gore": 0.0}, label, "face").decision
    assert decision == ("review" if label in ("generated", "edited") else "allow")


def test_the_shipped_policy_names_domains_that_exist(repository: Path) -> None:
    recipe = load_recipe(repository / "src/pellucid/defaults/recipes/detection-data.toml", DataRecipe)
    assert recipe.domains
    known = set(recipe.domains.of.values())
    asked = {
        name
        for rule in SHIPPED.rules
        if rule.when
        for one in rule.when.all
        for name in (*(one.domain or ()), *(one.not_domain or ()))
    }
    assert asked <= known
