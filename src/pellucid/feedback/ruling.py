"""A moderator rules: kept, counted, and if it decides, everything that follows from it, in one transaction.

the vote is kept ─ enough agree? ─ no ──→ it waits for another moderator; nothing changes
                                 └ yes ─→ the ruling before it is corrected · the report says what was ruled ·
                                          appeal and flags are closed · the picture is known from now on ·
                                          reports that inherited the ruling before it say the new one ·
                                          copies uploaded before are looked for afterwards (feedback/copies.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from pellucid.analyse import ruled
from pellucid.analyse.quorum import count, needed
from pellucid.analyse.verdict import decide
from pellucid.base.errors import InputError, NotFound, PictureWithheld
from pellucid.base.ids import new_id
from pellucid.feedback.copies import look_for_copies
from pellucid.feedback.desk import Desk, on_behalf
from pellucid.records.audit import Change
from pellucid.records.label import Ruling, RulingWish
from pellucid.records.report import Report
from pellucid.store.audit import record
from pellucid.store.database import writing
from pellucid.store.recourse import add_ruling, close_all, heirs_of, hold, rulings_on, set_ruled, set_states


class RuledMeanwhile(Exception):
    """Another ruling stands than the one that the moderator saw."""


def rule(desk: Desk, analysis_id: str, wish: RulingWish, asker: str, saw: str | None = None) -> Ruling:
    """The ruling as it is kept, `in_force` or `waiting`. Raises `NotFound`, `Deleted`, `NotAnswered` or `AnalysisFailed`.

    `saw` is the ruling that the moderator saw to stand, empty for none; if another does, raises `RuledMeanwhile`.
    """
    hashes = _hashes(desk, analysis_id)
    with writing(desk.store.database) as connection:
        report = hold(connection, analysis_id)
        if saw not in (None, report.ruling.id if report.ruling else ""):
            raise RuledMeanwhile
        before = rulings_on(connection, analysis_id)
        ruling = _drafted(desk, report, before, wish, on_behalf(asker, wish))
        add_ruling(connection, ruling)
        votes = [*(vote for vote in before if vote.state == "waiting"), ruling]
        outcome = count(votes, needed(desk.recourse.rulings.two_moderators, report.verdict.label, votes))
        set_states(connection, outcome.states)
        ruling = ruling.model_copy(update={"state": outcome.states[ruling.id]})
        if outcome.in_force:
            set_states(connection, {each.id: "corrected" for each in before if each.state == "in_force"})
            _put_in_force(desk, connection, report, ruling, hashes)
        details = {"ruling": ruling.id, "verdict": ruling.verdict, "state": ruling.state, "stood": ruling.stood}
        record(connection, Change(actor=ruling.actor, action="ruling.made", subject=analysis_id, details=details))
    return ruling


def _put_in_force(desk: Desk, connection: Connection, report: Report, ruling: Ruling, hashes: Sequence[str]) -> None:
    desk.change(connection, ruled.ruled(report, ruling, desk.policy))
    close_all(connection, report.id, ruling.id, datetime.fromisoformat(ruling.created))
    set_ruled(connection, ruling, report.image.sha256, hashes)
    for heir in heirs_of(connection, report.id):
        desk.change(connection, ruled.again(heir, ruling, desk.policy))
    look_for_copies(connection, ruling)


def _drafted(desk: Desk, report: Report, before: Sequence[Ruling], wish: RulingWish, actor: str) -> Ruling:
    """`machine_decision` is what the first ruling found, and stays that under every later one."""
    new = new_id()
    waiting = [vote for vote in before if vote.state == "waiting"]
    decision = report.moderation and report.moderation.decision
    first = next((vote for vote in before if vote.state in ("in_force", "corrected")), None)
    return Ruling(
        id=new,
        analysis=report.id,
        round=waiting[0].round if waiting else new,
        created=datetime.now(UTC).isoformat(),
        actor=actor,
        state="waiting",
        policy=desk.recourse.label,
        stood=report.verdict.label,
        stood_decision=decision,
        machine=decide(report.inference, [piece for piece in report.evidence if piece.kind != "ruling"]).label,
        machine_decision=first.machine_decision if first else decision,
        **wish.model_dump(exclude={"actor"}),
    )


def _hashes(desk: Desk, analysis_id: str) -> tuple[str, ...]:
    """By which the picture is found again; none where it is not kept any more, or shown to nobody."""
    try:
        return desk.hashes(desk.store.picture(analysis_id))
    except (NotFound, PictureWithheld, InputError):
        return ()
