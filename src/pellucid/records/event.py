"""What a site is told of when it happens, by webhook: a type, what it is about, and little more.

Thin on purpose: whoever wants the report asks for it, with a key. So an event that is late or repeated says nothing stale,
and holds nothing of a picture that was deleted meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.records.report import Report


@dataclass(frozen=True)
class Event:
    """`type` is `SUBJECT.HAPPENED`; `analysis` is the id of what it is about."""

    type: str
    analysis: str
    data: dict[str, Any]


def answered_event(report: Report) -> Event:
    decision = report.moderation and report.moderation.decision
    return Event("analysis.answered", report.id, {"verdict": report.verdict.label, "decision": decision})


def changed_event(report: Report) -> Event:
    """A ruling changed it, its own or one that it inherits or that stands beside it."""
    return Event("analysis.changed", report.id, answered_event(report).data)


def failed_event(analysis: str, code: str, detail: str) -> Event:
    return Event("analysis.failed", analysis, {"problem": {"code": code, "detail": detail}})
