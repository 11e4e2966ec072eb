"""Votes of moderators: enough agree, or nothing changes; and how well they agree."""

from __future__ import annotations

from itertools import count as numbers

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.agreement import agreed_share, kappa
from pellucid.analyse.quorum import count, needed
from pellucid.records.label import Ruling

NUMBERS = numbers()
VERDICTS = ("generated", "edited", "captured", "no_ai_found")


def vote(actor: str, verdict: str, stood: str = "generated", decision: str | None = None) -> Ruling:
    return Ruling.model_validate(
        {
            "id": str(next(NUMBERS)), "analysis": "a", "round": "r", "created": "2026-11-22", "actor": actor, "verdict": verdict,
            "reason": "R.", "state": "waiting", "policy": "recourse@1", "stood": stood, "machine": stood, "decision": decision,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "stood", "verdict", "enough"),
    [
        ("never", "generated", "no_ai_found", 1),
        ("always", "generated", "generated", 2),
        ("overturning", "generated", "edited", 1),
        ("overturning", "generated", "captured", 2),
        ("overturning", "no_ai_found", "edited", 2),
        ("overturning", "unsure", "generated", 1),
    ],
)
def test_who_must_agree_says_the_policy(policy: str, stood: str, verdict: str, enough: int) -> None:
    assert needed(policy, stood, [vote("ann", verdict, stood)]) == enough  # type: ignore[arg-type]


def test_one_who_would_overturn_makes_it_a_case_of_two() -> None:
    assert needed("overturning", "generated", [vote("ann", "captured"), vote("bob", "generated")]) == 2


def test_the_same_verdict_with_another_decision_is_another_ruling() -> None:
    assert count([vote("ann", "generated", decision="block"), vote("bob", "generated")], 2).in_force is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(VERDICTS)), min_size=1, max_size=8), st.integers(1, 2))
def test_a_ruling_in_force_has_as_many_moderators_as_it_needs(given_votes: list[tuple[str, str]], enough: int) -> None:
    votes = [vote(*one) for one in given_votes]
    outcome = count(votes, enough)
    assert set(outcome.states) == {each.id for each in votes}
    supporters = {each.actor for each in votes if outcome.states[each.id] in ("in_force", "agreed")}
    assert len(supporters) >= enough if outcome.in_force else not supporters
    standing = [each.actor for each in votes if outcome.states[each.id] != "withdrawn"]
    assert standing.count(votes[-1].actor) == 1


def test_kappa_is_that_of_the_textbook() -> None:
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert agreed_share(pairs) == 0.7
    assert kappa(pairs) == pytest.approx(0.4)


def test_kappa_says_nothing_where_there_is_nothing_to_say() -> None:
    assert kappa([]) is agreed_share([]) is kappa([("a", "a")] * 3) is None
