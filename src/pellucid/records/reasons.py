"""Reasons that a moderator can quote with one key, as a versioned TOML that a site may replace (docs/console.md).

    name = "reasons"
    version = 1

    [[reasons]]
    key = "a"
    verdicts = ["generated"]
    text = "Hands have six fingers."

What is quoted is text like any other: it can be changed before it is sent, and the ruling keeps what was sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pellucid.base.settings import shipped
from pellucid.records.label import RuledVerdict, Text
from pellucid.records.recipe import Recipe, load_recipe
from pellucid.records.report import Evidence, EvidenceKind, Report

# Keys of the case page itself: bare picture, heat map, next, previous, open, queue, write the reason.
TAKEN = "bhjkoqr"


class Needs(Recipe):
    """`evidence` of a kind, and what it may say, by which source and in which state; empty: any."""

    evidence: EvidenceKind
    says: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    states: tuple[str, ...] = ()

    def met_by(self, found: Evidence) -> bool:
        pairs = ((self.says, found.says), (self.sources, found.source), (self.states, found.state))
        return found.kind == self.evidence and all(not allowed or value in allowed for allowed, value in pairs)


class Reason(Recipe):
    """`reply` is what the uploader is told where he appealed; the moderator may change both.

    A reason that `needs` evidence is offered only where the report has it.
    """

    key: Annotated[str, Field(pattern=r"^[a-z]$")]
    verdicts: Annotated[tuple[RuledVerdict, ...], Field(min_length=1)]
    text: Text
    reply: Text | None = None
    needs: Needs | None = None

    def fits(self, report: Report) -> bool:
        return self.needs is None or any(map(self.needs.met_by, report.evidence))

    @field_validator("key")
    @classmethod
    def _is_free(cls, key: str) -> str:
        if key in TAKEN:
            raise ValueError(f"the keys {', '.join(TAKEN)} are the console's own; take another letter")
        return key


class Reasons(Recipe):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)]
    reasons: tuple[Reason, ...]

    @field_validator("reasons")
    @classmethod
    def _one_a_key(cls, reasons: tuple[Reason, ...], _info: ValidationInfo) -> tuple[Reason, ...]:
        pairs = [(verdict, reason.key) for reason in reasons for verdict in reason.verdicts]
        twice = sorted({f"{key} ({verdict})" for verdict, key in pairs if pairs.count((verdict, key)) > 1})
        if twice:
            raise ValueError(f"two reasons of one verdict have the key {', '.join(twice)}; give each its own")
        return reasons


def load_reasons(path: Path | None = None) -> Reasons:
    """The reasons in `path`, or the shipped ones. Raises `ConfigError` with `FILE:LINE` for each mistake."""
    return load_recipe(path or shipped("policies") / "reasons.toml", Reasons)
