"""What a policy would have decided of a report that is stored, without looking at the picture again.

A report keeps the scores that its own policy asked for, not all there were. So a condition holds, does not, or cannot be known
(Kleene's three values), and a decision that hangs on one that cannot be known is `undecided` rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pellucid.analyse.moderation import ALWAYS_SHOWN
from pellucid.analyse.policy import Condition, Policy, Rule, When
from pellucid.records.report import Decision, Moderation, Report

OF_BANK = "bank:"
# Names of rules of no policy, so that a reader of a decision knows who made it.
BY_MODERATOR, LIKE_A_RULED_ONE = "ruling", "similar_to_ruled"
OF_PEOPLE = (BY_MODERATOR, LIKE_A_RULED_ONE)
OF_DESCRIBER = "describer"


@dataclass(frozen=True)
class Kept:
    """What a report says of scores: those it has, those it surely lacks, and some that are at least so high."""

    scores: Mapping[str, float]
    absent: frozenset[str]
    floors: Mapping[str, float]
    verdict: str
    domain: str | None


def would_decide(policy: Policy, report: Report, before: Policy) -> Decision | None:
    """The decision, whichever rule gives it; None where it cannot be known. `before` is the policy that is in force."""
    if report.moderation is None:
        return None
    kept = _kept(policy, report, before)
    possible = {rule.decision for rule, _ in _candidates(policy, kept)}
    return possible.pop() if len(possible) == 1 else None


def decided_by(policy: Policy, report: Report) -> Moderation | None:
    """The policy's decision of a report whose verdict has changed; None where it was not the policy's, or cannot be known."""
    own = report.moderation
    if own is None or own.rule == OF_DESCRIBER or own.rule.startswith(OF_BANK):
        return None
    rule, sure = next(_candidates(policy, _kept(policy, report, policy)))
    if not sure:
        return None
    return Moderation(decision=rule.decision, rule=rule.name, reason=rule.reason, policy=policy.label, scores=own.scores)


def is_blocked_by_bank(report: Report) -> bool:
    """Is it a known picture that is shown to nobody? Nothing else may decide of it."""
    own = report.moderation
    return own is not None and own.decision == "block" and own.rule.startswith(OF_BANK)


def is_of_policy(report: Report) -> bool:
    """Was it a policy that decided, and neither a person, a hash bank nor a describer?"""
    own = report.moderation
    return own is not None and own.rule not in (*OF_PEOPLE, OF_DESCRIBER) and not own.rule.startswith(OF_BANK)


def _candidates(policy: Policy, kept: Kept) -> Iterator[tuple[Rule, bool]]:
    """(rule, whether it surely holds) of every rule that may be the first that holds."""
    for rule in policy.rules:
        holds = True if rule.when is None else _when(rule.when, kept)
        if holds is not False:
            yield rule, holds is True
        if holds:
            return


def _kept(policy: Policy, report: Report, before: Policy) -> Kept:
    own = report.moderation
    recorded = own.scores if own else {}
    comparable = own is not None and (own.policy == before.label or own.rule in OF_PEOPLE)
    tags = {tag.name: tag.score for tag in report.tags if tag.source != OF_DESCRIBER}
    scores, floors = {name: score for name, score in recorded.items() if name not in before.concepts}, {}
    for name, members in policy.concepts.items():
        if comparable and name in recorded and before.concepts.get(name) == members:
            scores[name] = recorded[name]
        elif any(tag in tags for tag in members):
            floors[name] = round(max(tags[tag] for tag in members if tag in tags), 4)
    domain = report.inference.slice.partition("/")[0] if report.inference else None
    return Kept(scores, frozenset(ALWAYS_SHOWN) - recorded.keys(), floors, report.verdict.label, domain)


def _when(when: When, kept: Kept) -> bool | None:
    every = _all(_holds(one, kept) for one in when.all)
    some = _any(_holds(one, kept) for one in when.any) if when.any else True
    return _all((every, some))


def _holds(one: Condition, kept: Kept) -> bool | None:
    name = one.score or one.missing
    if name is None or name in kept.scores or name in kept.absent:
        return one.holds(kept.scores, kept.verdict, kept.domain)
    floor = kept.floors.get(name)
    if floor is None:
        return None
    if one.missing is not None:
        return False
    if one.at_least is not None:
        return True if floor >= one.at_least else None
    return False if floor >= (one.below or 0) else None


def _all(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True


def _any(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return True if True in found else None if None in found else False
