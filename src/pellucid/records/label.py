"""What people say of an answer: a flag, an appeal, a ruling; and the label that a ruling becomes for training.

    flag    a user says that an answer is wrong           open → closed by a ruling
    appeal  the uploader objects                          open → closed by a ruling
    ruling  a moderator decides                           waiting → in_force, agreed, outvoted or withdrawn; in_force → corrected

A `…Wish` is what is sent, the record what is kept. Nothing is ever taken back: a later ruling corrects, and all are kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pellucid.records.report import Decision, Frozen, VerdictLabel

RuledVerdict = Literal["generated", "edited", "captured", "no_ai_found"]
Label = Literal["ai", "real"]
Openness = Literal["open", "closed"]
RulingState = Literal["waiting", "in_force", "agreed", "outvoted", "withdrawn", "corrected"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
Who = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,62}$")]

LABELS: dict[str, Label] = {"generated": "ai", "edited": "ai", "no_ai_found": "real", "captured": "real"}


def label_of(verdict: VerdictLabel) -> Label | None:
    """What a verdict teaches; `unsure` teaches nothing."""
    return LABELS.get(verdict)


class Wish(BaseModel):
    """`actor` is for a platform that asks with its own key for a person: the record keeps KEY/ACTOR."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: Who | None = Field(None, description="The person for whom the key asks; kept behind the key's own name")


class FlagWish(Wish):
    says: RuledVerdict = Field(description="What the user holds the picture to be")
    note: Text | None = None


class AppealWish(Wish):
    reason: Text


class RulingWish(Wish):
    verdict: RuledVerdict
    reason: Text = Field(description="Kept, and shown in the report and the statement of reasons")
    reply: Text | None = Field(None, description="To who appealed")
    decision: Decision | None = Field(None, description="What to do with the picture; the policy says so again where not given")


class Flag(Frozen):
    id: str
    analysis: str
    created: str
    actor: str
    says: RuledVerdict
    note: str | None = None
    state: Openness = "open"
    closed: str | None = None


class Appeal(Frozen):
    """`stood` is the verdict it objects to; `ruling` closed it."""

    id: str
    analysis: str
    created: str
    actor: str
    reason: str
    stood: VerdictLabel
    state: Openness = "open"
    closed: str | None = None
    ruling: str | None = None


class Ruling(Frozen):
    """`stood` and `stood_decision` are what it found, `machine` what the evidence said without any ruling.

    Rulings of one `round` are about the same question; the first names the round.
    """

    id: str
    analysis: str
    round: str
    created: str
    actor: str
    verdict: RuledVerdict
    reason: str
    reply: str | None = None
    decision: Decision | None = None
    state: RulingState
    policy: str
    stood: VerdictLabel
    stood_decision: Decision | None = None
    machine: VerdictLabel
    machine_decision: Decision | None = None

    @property
    def overturns(self) -> bool:
        """Does it turn an accusation into none, or the other way round?"""
        return label_of(self.stood) not in (None, label_of(self.verdict))
