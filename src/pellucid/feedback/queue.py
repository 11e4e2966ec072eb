"""`GET /v1/queue`: what waits for a moderator. Appealed first, then what waits for a second one, flagged, and most uncertain.

What another moderator has said of a case is not shown, so that the second one's word is his own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import is_id
from pellucid.feedback.desk import Held
from pellucid.records.label import Appeal, Flag
from pellucid.records.report import Report
from pellucid.store.moderation_queue import LINES, Case, Place, Why, count_waiting, waiting
from pellucid.store.recourse import appeals_on, flags_on

router = APIRouter(prefix="/v1/queue", tags=["recourse"])


class QueueQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=100, description="Cases a page")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


class QueuedCase(BaseModel):
    """`why` it waits and since when; the appeals and flags that are open; the report with everything that was found."""

    why: Why
    since: datetime
    appeals: list[Appeal]
    flags: list[Flag]
    report: Report


class QueuePage(BaseModel):
    waiting: dict[Why, int] = Field(description="How many wait in each line; a picture stands in one")
    items: list[QueuedCase]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


@router.get("", summary="What waits for a moderator, in his order")
async def queue(desk: Held, asked: Annotated[QueueQuery, Query()]) -> QueuePage:
    """A case that is ruled on meanwhile is gone from the pages to come; none is shown twice or left out."""
    after = None if asked.cursor is None else read_cursor(asked.cursor)
    return await desk.read(lambda connection: page_of(connection, after, asked.limit))


def page_of(connection: Connection, after: Place | None, limit: int, lines: Sequence[Why] = LINES) -> QueuePage:
    """At most `limit` cases behind `after`, of some of the lines; `waiting` counts all."""
    cases = waiting(connection, after, limit + 1, lines)
    shown = cases[:limit]
    cursor = write_cursor(shown[-1].place) if len(cases) > limit else None
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


def write_cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps([place.why, place.certainty, place.id]).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Place:
    """Raises `InvalidParameter`."""
    try:
        fields: Any = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        why, certainty, last_id = fields
        if why in get_args(Why) and isinstance(certainty, int | float) and is_id(last_id):
            return Place(why, float(certainty), last_id)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        pass
    raise InvalidParameter(f"the cursor {cursor[:80]!r} is not one that this service gave; take `next` of the page before")
