"""`/console/appeals`: the open ones, the longest waiting first, and what became of the closed ones, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from pellucid.base.ids import PATTERN
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.signed_in import Moderator, may
from pellucid.console.words import instant
from pellucid.feedback.desk import Held as HeldDesk
from pellucid.feedback.transparency import result_of
from pellucid.records.label import Appeal, Openness, Ruling
from pellucid.records.transparency import Result
from pellucid.store.recourse import appeals_in

router = APIRouter(prefix="/console/appeals", route_class=Page, include_in_schema=False)

PAGE = 40


@dataclass(frozen=True)
class Row:
    """`took_s` is how long it was open."""

    appeal: Appeal
    ruling: Ruling | None
    result: Result
    took_s: float | None


@router.get("")
async def appeals(
    request: Request,
    desk: HeldDesk,
    moderator: Annotated[Moderator, may("moderate")],
    state: Openness = "open",
    after: Annotated[str, Query(pattern=rf"^$|{PATTERN}")] = "",
) -> Response:
    rows = await desk.read(lambda connection: _rows(connection, state, after))
    following = rows[PAGE - 1].appeal.id if len(rows) > PAGE else None
    return render(request, "appeals.html", moderator, rows=rows[:PAGE], state=state, next=following)


def _rows(connection: Connection, state: Openness, after: str) -> list[Row]:
    return [
        Row(appeal, ruling, result_of(ruling), _took(appeal)) for appeal, ruling in appeals_in(connection, state, PAGE + 1, after)
    ]


def _took(appeal: Appeal) -> float | None:
    return (instant(appeal.closed) - instant(appeal.created)).total_seconds() if appeal.closed else None
