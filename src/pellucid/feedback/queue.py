"""`GET /v1/queue`: what waits for a moderator. Appealed first, then what waits for a second one, flagged, and most uncertain.

What another moderator has said of a case is not shown, so that the second one's word is his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pellucid.feedback.desk import Held
from pellucid.records.pages import QueuedCase, QueuePage, Why
from pellucid.store.cursors import Cursors
from pellucid.store.moderation_queue import LINES, Case, Place, count_waiting, waiting
from pellucid.store.recourse import appeals_on, flags_on

router = APIRouter(prefix="/v1/queue", tags=["recourse"])
CURSORS = Cursors("queue", Place)


class QueueQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100, description="Cases a page")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


@router.get("", summary="What waits for a moderator, in his order")
async def queue(desk: Held, asked: Annotated[QueueQuery, Query()]) -> QueuePage:
    """A case that is ruled on meanwhile is gone from the pages to come; none is shown twice or left out."""
    after = None if asked.cursor is None else CURSORS.read(asked.cursor)
    return await desk.read(lambda connection: page_of(connection, after, asked.limit))


def page_of(connection: Connection, after: Place | None, limit: int, lines: Sequence[Why] = LINES) -> QueuePage:
    """At most `limit` cases behind `after`, of some of the lines; `waiting` counts all."""
    cases = waiting(connection, after, limit + 1, lines)
    shown = cases[:limit]
    cursor = CURSORS.write(shown[-1].place) if len(cases) > limit else None
    return QueuePage(waiting=count_waiting(connection), items=[_shown(connection, case) for case in shown], next=cursor)


def _shown(connection: Connection, case: Case) -> QueuedCase:
    name = case.report.id
    return QueuedCase(
        why=case.place.why,
        since=case.place.since,
        appeals=[each for each in appeals_on(connection, name) if each.state == "open"],
        flags=[each for each in flags_on(connection, name) if each.state == "open"],
        report=case.report,
    )
