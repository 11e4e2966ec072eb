"""What the retention policy says is over: asked of the database in one statement a rule, deleted one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, not_, or_, select

from pellucid.records.retention import Retention, RetentionRule
from pellucid.store.leases import now
from pellucid.store.tables import analyses, appeals

SETTLED = ("answered", "failed")
# What an open appeal is about stays until it is ruled on.
_APPEALED = exists().where(appeals.c.analysis == analyses.c.id, appeals.c.state == "open")


def overdue(connection: Connection, policy: Retention, limit: int) -> list[tuple[str, str]]:
    """(id, why) of at most `limit` analyses whose rule says that their days are over, the oldest of each rule first."""
    found: list[tuple[str, str]] = []
    for rule, fits in _rules(policy):
        before = now() - timedelta(days=rule.days)
        over = select(analyses.c.id).where(fits, analyses.c.created < before, analyses.c.state.in_(SETTLED), not_(_APPEALED))
        rows = connection.execute(over.order_by(analyses.c.created).limit(limit - len(found))).scalars()
        found += [(analysis_id, f"{policy.label}: {rule.name}") for analysis_id in rows]
    return found


def _rules(policy: Retention) -> Iterator[tuple[RetentionRule, ColumnElement[bool]]]:
    """Each rule with what it is for: what fits it and none before it."""
    earlier: list[ColumnElement[bool]] = []
    for rule in policy.rules:
        fits = _fits(rule)
        yield rule, and_(fits, not_(or_(false(), *earlier)))
        earlier.append(fits)


def _fits(rule: RetentionRule) -> ColumnElement[bool]:
    conditions = [
        _among(analyses.c.verdict, rule.verdict),
        _among(analyses.c.decision, rule.decision),
        _among(analyses.c.state, rule.state),
    ]
    return and_(analyses.c.id.is_not(None), *[condition for condition in conditions if condition is not None])


def _among(column: Any, allowed: tuple[str, ...] | None) -> ColumnElement[bool] | None:
    """Never NULL, so that its opposite holds for what has no such value."""
    return None if allowed is None else func.coalesce(column, "").in_(allowed)
