"""Votes of moderators → what becomes of each: the first verdict that enough of them share is in force, the others are outvoted.

A vote is a ruling of one round. A moderator who votes again takes his earlier vote back; nobody agrees with himself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pellucid.records.label import Ruling, RulingState, label_of
from pellucid.records.report import VerdictLabel

TwoModerators = Literal["never", "overturning", "always"]


@dataclass(frozen=True)
class Outcome:
    """`states` of all votes of the round by their ids; `in_force` is the vote that decided, None while one is lacking."""

    states: Mapping[str, RulingState]
    in_force: str | None


def needed(rule: TwoModerators, stood: VerdictLabel, votes: Sequence[Ruling]) -> int:
    """One vote that would overturn makes the whole round one of two moderators."""
    overturning = any(label_of(stood) not in (None, label_of(vote.verdict)) for vote in votes)
    return 2 if rule == "always" or (rule == "overturning" and overturning) else 1


def count(votes: Sequence[Ruling], enough: int) -> Outcome:
    """`votes` in the order in which they were given; the last is the new one."""
    new = votes[-1]
    states: dict[str, RulingState] = {vote.id: "waiting" for vote in votes}
    states |= {vote.id: "withdrawn" for vote in votes[:-1] if vote.actor == new.actor}
    standing = [vote for vote in votes if states[vote.id] == "waiting"]
    same = [vote.id for vote in standing if (vote.verdict, vote.decision) == (new.verdict, new.decision)]
    if len(same) < enough:
        return Outcome(states, None)
    states |= {vote.id: "agreed" if vote.id in same else "outvoted" for vote in standing}
    return Outcome(states | {new.id: "in_force"}, new.id)
