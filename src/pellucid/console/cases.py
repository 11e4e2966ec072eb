"""`/console/cases/{id}`: one picture with all that is known of it, and the form in which a moderator rules.

What was typed comes back where something is wrong with it; a ruling leads straight to the next case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from pellucid.console.case import case_of, next_case
from pellucid.console.office import Open
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.queue import AnId, ruling_of
from pellucid.console.signed_in import Checked, Moderator, may
from pellucid.feedback.desk import Desk
from pellucid.feedback.desk import Held as HeldDesk
from pellucid.feedback.ruling import RuledMeanwhile, rule
from pellucid.feedback.statements import statement_on
from pellucid.records.label import RulingWish
from pellucid.records.pages import Why
from pellucid.records.reasons import Reason, Reasons
from pellucid.records.report import Report
from pellucid.serve.analyses import AnalysisId
from pellucid.serve.service import Held, Service
from pellucid.store.moderation_queue import LINES, place_of

router = APIRouter(prefix="/console/cases", route_class=Page, include_in_schema=False)

View = Literal["veiled", "bare", "heat"]
Moderating = Annotated[Moderator, may("moderate")]
Typed = Annotated[str, Form()]
# Complaints in the words of the form.
COMPLAINTS: Mapping[tuple[str, str], str] = {
    ("verdict", "literal_error"): "Choose a verdict: keys 1 to 4.",
    ("reason", "string_too_short"): "Say why, or quote a reason by its key.",
    ("reason", "string_too_long"): "A reason has at most 2,000 characters.",
    ("reply", "string_too_long"): "A reply has at most 2,000 characters.",
}
MEANWHILE = "Another moderator has ruled on it since this page was loaded. Look again; rule again if you still differ."


@dataclass(frozen=True)
class Draft:
    """The form as it was sent, or as it is at first; `wrong` says by field what is to be mended."""

    verdict: str = ""
    reason: str = ""
    reply: str = ""
    decision: str = ""
    quoted: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)


@router.get("/{analysis_id}")
async def case(
    request: Request, service: Held, desk: HeldDesk, office: Open, moderator: Moderating, analysis_id: AnalysisId,
    line: Why | None = None, view: View = "veiled", ruled: AnId = None,
) -> Response:  # fmt: skip
    made = await desk.read(lambda connection: ruling_of(connection, ruled, moderator))
    page = _Page(request, service, desk, office.reasons, moderator)
    return await desk.ask(lambda: page.of(analysis_id, Draft(), line, view=view, made=made))


@router.post("/{analysis_id}/rulings", dependencies=[Checked])
async def make_ruling(
    request: Request, service: Held, desk: HeldDesk, office: Open, moderator: Moderating, analysis_id: AnalysisId,
    verdict: Typed = "", reason: Typed = "", reply: Typed = "", decision: Typed = "", quoted: Typed = "", line: Typed = "",
    stands: Typed = "",
) -> Response:  # fmt: skip
    """A reason that is only quoted stands for one that is typed; `stands` is the ruling that the page showed. A ruling made leads
    to the next case in the same line."""
    wanted = next((each for each in LINES if each == line), None)
    draft = Draft(verdict, reason, reply, decision, quoted)
    page = _Page(request, service, desk, office.reasons, moderator)
    try:
        report = await desk.ask(lambda: service.store.get(analysis_id))
        wish = _wish(draft, _quotable(office.reasons, report))
    except ValidationError as error:
        wrong = {str(fault["loc"][0]): _complaint(str(fault["loc"][0]), fault["type"], fault["msg"]) for fault in error.errors()}
        mistaken = replace(draft, wrong=wrong)
        return await desk.ask(lambda: page.of(analysis_id, mistaken, wanted, status=HTTPStatus.UNPROCESSABLE_ENTITY))
    try:
        address = await desk.ask(lambda: _ruled(desk, analysis_id, wish, moderator, wanted, stands))
    except RuledMeanwhile:
        late = replace(draft, wrong={"verdict": MEANWHILE})
        return await desk.ask(lambda: page.of(analysis_id, late, wanted, status=HTTPStatus.CONFLICT))
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


@router.get("/{analysis_id}/statement")
async def statement(
    request: Request, desk: HeldDesk, moderator: Annotated[Moderator, may("read")], analysis_id: AnalysisId
) -> Response:
    """404 where the picture is neither restricted nor labelled."""
    made = await desk.ask(lambda: statement_on(desk, analysis_id))
    return render(request, "statement.html", moderator, statement=made)


@dataclass(frozen=True)
class _Page:
    """What every showing of a case needs."""

    request: Request
    service: Service
    desk: Desk
    reasons: Reasons
    moderator: Moderator

    def of(self, analysis_id: str, draft: Draft, line: Why | None, status: int = HTTPStatus.OK, **more: object) -> Response:
        actor = self.moderator.actor.name
        found = case_of(self.service, self.desk, analysis_id, actor)
        with self.desk.store.database.connect() as connection:
            following = next_case(connection, found.place, line, actor, analysis_id)
        return render(
            self.request, "case.html", self.moderator, status,
            **{
                "case": found, "report": found.report, "draft": draft, "line": line, "following": following,
                "quotable": _quotable(self.reasons, found.report), "two": self.desk.recourse.rulings.two_moderators,
                "view": "veiled", "made": None, **more,
            },
        )  # fmt: skip


def _quotable(reasons: Reasons, report: Report) -> list[tuple[str, Reason]]:
    """Place and reason of those that the report has the evidence for."""
    return [(str(place), each) for place, each in enumerate(reasons.reasons) if each.fits(report)]


def _wish(draft: Draft, quotable: list[tuple[str, Reason]]) -> RulingWish:
    """Raises `ValidationError`. Without scripts a quoted reason comes by its place, and may be of another verdict."""
    fitting = {place: each.text for place, each in quotable if draft.verdict in each.verdicts}
    fields = {"verdict": draft.verdict, "reason": draft.reason.strip() or fitting.get(draft.quoted, "")}
    return RulingWish.model_validate(fields | {"reply": draft.reply.strip() or None, "decision": draft.decision or None})


def _ruled(desk: Desk, analysis_id: str, wish: RulingWish, moderator: Moderator, line: Why | None, saw: str) -> str:
    """Where to go when it is done. Raises `RuledMeanwhile`."""
    actor = moderator.actor.name
    with desk.store.database.connect() as connection:
        place = place_of(connection, analysis_id)
    made = rule(desk, analysis_id, wish, actor, saw)
    with desk.store.database.connect() as connection:
        following = next_case(connection, place, line, actor, analysis_id)
    query = urlencode({"line": line, "ruled": made.id} if line else {"ruled": made.id})
    return f"/console/cases/{following}?{query}" if following else f"/console/queue?{query}"


def _complaint(name: str, kind: str, message: str) -> str:
    return COMPLAINTS.get((name, kind), f"{message[:1].upper()}{message[1:]}.")
