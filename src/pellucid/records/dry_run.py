"""Which stored decisions a policy would change: what trying one answers (`POST /v1/policies/dry-run`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pellucid.records.report import Decision


class Change(BaseModel):
    """How many decisions go `from` one to another; a few of them by id."""

    model_config = ConfigDict(populate_by_name=True)

    was: Decision = Field(alias="from")
    to: Decision
    count: int
    examples: list[str]


class DryRun(BaseModel):
    """Counts are of this call: add those of all pages up. `in_force` is the policy of today."""

    policy: str
    in_force: str
    looked_at: int
    unchanged: int
    changes: list[Change]
    undecided: int = Field(description="Cannot be known: the policy asks for scores that these reports do not keep")
    not_by_policy: int = Field(description="Decided by a moderator, a hash bank or a describer, or not at all")
    by_version: dict[str, int] = Field(description="Reports looked at, by the policy version that decided them")
    next: str | None = Field(description="Send it as `cursor` to go on; null when every stored report was looked at")
