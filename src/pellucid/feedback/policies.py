"""`POST /v1/policies/dry-run`: which stored decisions a policy would change, before anyone enables it. Nothing is changed.

What people, hash banks and describers decided is not the policy's to change and is counted apart, as is what cannot be known from
the scores that were kept.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pellucid.analyse.dry_run import is_of_policy, would_decide
from pellucid.analyse.policy import Policy, parse_policy
from pellucid.base.errors import BadPolicy, ConfigError
from pellucid.base.moments import Moment
from pellucid.base.small_body import SmallBody
from pellucid.feedback.desk import Desk, Held
from pellucid.records.dry_run import Change, DryRun
from pellucid.records.report import Decision, Report
from pellucid.store.store import Filters


class PolicyBody(SmallBody):
    """As long as a policy may be, each of its characters escaped."""

    max_bytes = 6 * 200_000 + 1024


router = APIRouter(prefix="/v1/policies", tags=["recourse"], route_class=PolicyBody)
FILE = "policy.toml"
PAGE = 200
EXAMPLES = 20

Toml = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]


class DryRunWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    policy: Toml = Field(description="The moderation policy, as the text of its TOML file")
    since: Moment | None = Field(None, description="Only reports made at or after this moment (RFC 3339)")
    until: Moment | None = Field(None, description="Only reports made before this moment (RFC 3339)")
    reports: int = Field(2000, ge=1, le=20_000, description="Most stored reports to look at in this call, newest first")
    cursor: str | None = Field(None, max_length=200, description="`next` of the call before")


@router.post("/dry-run", summary="Which stored decisions a policy would change")
async def dry_run(desk: Held, wish: DryRunWish) -> DryRun:
    """A mistake in the policy is answered with its line (`bad-policy`)."""
    return await desk.ask(lambda: run(desk, wish))


def run(desk: Desk, wish: DryRunWish) -> DryRun:
    """Raises `BadPolicy`, which names the lines."""
    try:
        policy = parse_policy(wish.policy, FILE)
    except ConfigError as error:
        raise BadPolicy(error.detail) from error
    tally = _Tally(policy, desk.policy)
    left, cursor = wish.reports, wish.cursor
    while True:
        page = desk.store.list(Filters(since=wish.since, until=wish.until), cursor, min(PAGE, left))
        for report in page.reports:
            tally.add(report)
        left, cursor = left - len(page.reports), page.cursor
        if cursor is None or left == 0:
            return tally.shown(cursor)


class _Tally:
    def __init__(self, policy: Policy, in_force: Policy) -> None:
        self._policy, self._in_force = policy, in_force
        self._counts: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._changes: dict[tuple[Decision, Decision], list[str]] = {}

    def add(self, report: Report) -> None:
        self._counts["looked_at"] += 1
        if report.moderation is None or not is_of_policy(report):
            self._counts["not_by_policy"] += 1
            return
        self._versions[report.moderation.policy] += 1
        was, to = report.moderation.decision, would_decide(self._policy, report, self._in_force)
        if to is None:
            self._counts["undecided"] += 1
        elif to == was:
            self._counts["unchanged"] += 1
        else:
            self._changes.setdefault((was, to), []).append(report.id)

    def shown(self, cursor: str | None) -> DryRun:
        changes = [
            Change(was=was, to=to, count=len(ids), examples=ids[:EXAMPLES]) for (was, to), ids in sorted(self._changes.items())
        ]
        counts = {name: self._counts[name] for name in ("looked_at", "unchanged", "undecided", "not_by_policy")}
        return DryRun(
            policy=self._policy.label, in_force=self._in_force.label, changes=changes,
            by_version=dict(self._versions), next=cursor,
            **counts,
        )  # fmt: skip
