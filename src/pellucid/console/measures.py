"""`/console/measures`: how much comes, what is decided, how long people wait, and how often moderators and the service agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.plots import Bar, Stack, side_by_side, stacked
from pellucid.console.signed_in import Moderator, may
from pellucid.console.words import DECISIONS, OUTCOMES, VERDICTS
from pellucid.feedback.desk import Held as HeldDesk
from pellucid.feedback.transparency import report_on
from pellucid.records.transparency import Transparency
from pellucid.store.decisions import Period, counted
from pellucid.store.moderation_queue import LINES, count_older, count_waiting
from pellucid.store.tables import analyses

router = APIRouter(prefix="/console/measures", route_class=Page, include_in_schema=False)

# Bounds of the ages shown, the youngest first; what is older than the last is the last group.
AGES: tuple[tuple[str, timedelta], ...] = (
    ("under 1 h", timedelta(hours=1)),
    ("1 to 4 h", timedelta(hours=4)),
    ("4 to 24 h", timedelta(days=1)),
    ("1 to 3 d", timedelta(days=3)),
)
OLDEST = "over 3 d"
AGE_KINDS = {f"age{place}": name for place, name in enumerate([name for name, _ in AGES] + [OLDEST])}


@dataclass(frozen=True)
class Line:
    """A line of the queue by how long its cases wait: counts by `AGE_KINDS`."""

    why: str
    total: int
    counts: dict[str, int]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Measures:
    days: list[tuple[str, dict[str, int]]]
    verdicts: Stack
    decisions: tuple[Bar, ...]
    appeals: tuple[Bar, ...]
    queue: list[Line]
    ages: dict[str, int]
    told: Transparency


@router.get("")
async def measures(
    request: Request, desk: HeldDesk, moderator: Annotated[Moderator, may("read")], days: Literal["7", "30", "90"] = "30"
) -> Response:
    found = await desk.read(lambda connection: measured(connection, int(days), datetime.now(UTC)))
    return render(request, "measures.html", moderator, found=found, days=days, AGE_KINDS=AGE_KINDS)


def measured(connection: Connection, days: int, now: datetime) -> Measures:
    """Of the last `days` days in UTC, today included; the queue as it is now."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [midnight - timedelta(days=back) for back in range(days - 1, -1, -1)]
    by_day = [
        (begin.date().isoformat(), counted(connection, analyses, "verdict", Period(begin, begin + timedelta(days=1))))
        for begin in begins
    ]
    told = report_on(connection, Period(begins[0], None))
    queue = _queue(connection, now)
    return Measures(
        days=by_day,
        verdicts=stacked(by_day, VERDICTS),
        decisions=side_by_side(told.decisions, DECISIONS),
        appeals=side_by_side({str(name): count for name, count in told.appeals.items()}, OUTCOMES),
        queue=queue,
        ages={kind: sum(line.counts[kind] for line in queue) for kind in AGE_KINDS},
        told=told,
    )


def _queue(connection: Connection, now: datetime) -> list[Line]:
    total = count_waiting(connection)
    older = count_older(connection, [now - age for _, age in AGES])
    lines = []
    for why in LINES:
        at_least = [total[why], *older[why], 0]
        counts = {kind: at_least[place] - at_least[place + 1] for place, kind in enumerate(AGE_KINDS)}
        lines.append(Line(why, total[why], counts, side_by_side(counts, AGE_KINDS)))
    return lines
