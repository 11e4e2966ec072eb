"""`/v1/analyses/{id}/flags`, `/appeals`, `/rulings`: a user says it is wrong, the uploader objects, a moderator decides.

A router for each scope; `app.py` puts the check of the key before it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter

from pellucid.base.small_body import SmallBody
from pellucid.feedback.desk import AnalysisId, Asker, Desk, Held, on_behalf
from pellucid.feedback.ruling import rule
from pellucid.records.audit import Change
from pellucid.records.label import Appeal, AppealWish, Flag, FlagWish, Ruling, RulingWish
from pellucid.records.pages import Appeals, Flags, Rulings
from pellucid.store.audit import record
from pellucid.store.database import writing
from pellucid.store.recourse import add_appeal, add_flag, appeals_on, flags_on, hold, rulings_on

flagging = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["recourse"], route_class=SmallBody)
appealing = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["recourse"], route_class=SmallBody)
ruling = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["recourse"], route_class=SmallBody)
reading = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["recourse"], route_class=SmallBody)


@flagging.post("/flags", status_code=201, summary="A user says that the answer is wrong")
async def flag(desk: Held, asker: Asker, analysis_id: AnalysisId, wish: FlagWish) -> Flag:
    """It changes no answer; it brings the picture into the moderators' queue."""
    return await desk.ask(lambda: _flag(desk, analysis_id, wish, on_behalf(asker, wish)))


@appealing.post("/appeals", status_code=201, summary="The uploader objects")
async def appeal(desk: Held, asker: Asker, analysis_id: AnalysisId, wish: AppealWish) -> Appeal:
    """Open until a ruling is in force, which closes it in the same transaction. One at a time: 409 while one is open."""
    return await desk.ask(lambda: _appeal(desk, analysis_id, wish, on_behalf(asker, wish)))


@ruling.post("/rulings", status_code=201, summary="A moderator decides")
async def make_ruling(desk: Held, asker: Asker, analysis_id: AnalysisId, wish: RulingWish) -> Ruling:
    """It overrides the verdict at once, or waits for a second moderator where the policy asks for two (`state`). A later ruling
    corrects it; all are kept."""
    return await desk.ask(lambda: rule(desk, analysis_id, wish, asker))


@reading.get("/flags", summary="Flags on an analysis, oldest first")
async def list_flags(desk: Held, analysis_id: AnalysisId) -> Flags:
    return Flags(items=await desk.read(lambda connection: flags_on(connection, analysis_id)))


@reading.get("/appeals", summary="Appeals on an analysis, oldest first")
async def list_appeals(desk: Held, analysis_id: AnalysisId) -> Appeals:
    return Appeals(items=await desk.read(lambda connection: appeals_on(connection, analysis_id)))


@reading.get("/rulings", summary="Rulings on an analysis, oldest first, the corrected ones too")
async def list_rulings(desk: Held, analysis_id: AnalysisId) -> Rulings:
    return Rulings(items=await desk.read(lambda connection: rulings_on(connection, analysis_id)))


def _flag(desk: Desk, analysis_id: str, wish: FlagWish, actor: str) -> Flag:
    with writing(desk.store.database) as connection:
        hold(connection, analysis_id)
        kept = add_flag(connection, analysis_id, wish, actor, datetime.now(UTC))
        record(
            connection, Change(actor=actor, action="flag.made", subject=analysis_id, details={"flag": kept.id, "says": kept.says})
        )
    return kept


def _appeal(desk: Desk, analysis_id: str, wish: AppealWish, actor: str) -> Appeal:
    with writing(desk.store.database) as connection:
        report = hold(connection, analysis_id)
        kept = add_appeal(connection, analysis_id, wish, report.verdict.label, actor, datetime.now(UTC))
        details = {"appeal": kept.id, "stood": kept.stood}
        record(connection, Change(actor=actor, action="appeal.made", subject=analysis_id, details=details))
    return kept
