"""`/console/queue`: what waits for a moderator, in the order in which he should see it; and the keys by which he works.

The order is the queue's own (store/moderation_queue.py). What another moderator said of a case is not on the page, so that the
second one's word is his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pellucid.base.ids import PATTERN
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.plots import Scale
from pellucid.console.signed_in import Moderator, SignedIn, may
from pellucid.feedback.desk import Held as HeldDesk
from pellucid.feedback.queue import CURSORS, page_of
from pellucid.records.label import Ruling
from pellucid.records.pages import QueuedCase, Why
from pellucid.records.report import Report
from pellucid.serve.service import Held, Service
from pellucid.store.moderation_queue import LINES
from pellucid.store.recourse import ruling_with, rulings_on

router = APIRouter(prefix="/console", route_class=Page, include_in_schema=False)

PAGE = 20
FIRST_WORDS = 240

AnId = Annotated[str | None, Query(pattern=PATTERN)]


@dataclass(frozen=True)
class Row:
    """A case as the list shows it. `said` is what the uploader or a user wrote; `own`: this moderator's ruling waits already."""

    case: QueuedCase
    said: str | None
    scale: Scale | None
    own: bool
    withheld: bool

    @property
    def report(self) -> Report:
        return self.case.report


@router.get("")
async def console(moderator: SignedIn) -> Response:
    """Who may only read begins at the measures."""
    return RedirectResponse("/console/queue" if moderator.may("moderate") else "/console/measures", HTTPStatus.SEE_OTHER)


@router.get("/queue")
async def queue(
    request: Request,
    service: Held,
    desk: HeldDesk,
    moderator: Annotated[Moderator, may("moderate")],
    line: Why | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    shown: AnId = None,
    ruled: AnId = None,
) -> Response:
    """`shown` is the one case whose thumbnail is bare; `ruled` is the ruling that was just made."""
    after = None if cursor is None else CURSORS.read(cursor)
    lines = LINES if line is None else (line,)
    page = await desk.read(lambda connection: page_of(connection, after, PAGE, lines))
    rows = await desk.read(lambda connection: [_row(connection, service, case, moderator) for case in page.items])
    made = await desk.read(lambda connection: ruling_of(connection, ruled, moderator))
    return render(
        request, "queue.html", moderator,
        rows=rows, waiting=page.waiting, line=line, cursor=cursor, next=page.next, shown=shown, made=made,
    )  # fmt: skip


@router.get("/keys")
async def keys(request: Request, moderator: SignedIn) -> Response:
    return render(request, "keys.html", moderator)


def ruling_of(connection: Connection, ruling_id: str | None, moderator: Moderator) -> Ruling | None:
    """The ruling just made, if it is the moderator's own."""
    found = ruling_with(connection, ruling_id) if ruling_id else None
    return found if found and found.actor == moderator.actor.name else None


def _row(connection: Connection, service: Service, case: QueuedCase, moderator: Moderator) -> Row:
    report = case.report
    waits = [vote for vote in rulings_on(connection, report.id) if vote.state == "waiting"]
    words = [appeal.reason for appeal in case.appeals] or [flag.note for flag in case.flags if flag.note]
    return Row(
        case=case,
        said=words[0][:FIRST_WORDS] if words else None,
        scale=Scale.of(report.inference) if report.inference else None,
        own=any(vote.actor == moderator.actor.name for vote in waits),
        withheld=service.known.withholds(report),
    )
