"""Calls of recourse as data: flags, appeals, rulings, the queue, statements of reasons, the transparency report."""

from __future__ import annotations

from datetime import datetime

from pellucid.client.calls import Call, asked, of_analysis, plain
from pellucid.client.reading import record
from pellucid.records.label import Appeal, Flag, RuledVerdict, Ruling
from pellucid.records.pages import Appeals, Flags, QueuePage, Rulings, StatementPage
from pellucid.records.report import Decision
from pellucid.records.statement import Statement
from pellucid.records.transparency import Transparency


def flag(analysis_id: str, says: RuledVerdict, note: str | None, actor: str | None) -> Call[Flag]:
    wish = {"says": says, "note": note, "actor": actor}
    return Call("POST", of_analysis(analysis_id, "/flags"), record(Flag), {"json": plain(wish)}, repeatable=False)


def appeal(analysis_id: str, reason: str, actor: str | None) -> Call[Appeal]:
    wish = {"reason": reason, "actor": actor}
    return Call("POST", of_analysis(analysis_id, "/appeals"), record(Appeal), {"json": plain(wish)}, repeatable=False)


def rule(
    analysis_id: str, verdict: RuledVerdict, reason: str, reply: str | None, decision: Decision | None, actor: str | None
) -> Call[Ruling]:
    wish = {"verdict": verdict, "reason": reason, "reply": reply, "decision": decision, "actor": actor}
    return Call("POST", of_analysis(analysis_id, "/rulings"), record(Ruling), {"json": plain(wish)}, repeatable=False)


def flags(analysis_id: str) -> Call[Flags]:
    return Call("GET", of_analysis(analysis_id, "/flags"), record(Flags))


def appeals(analysis_id: str) -> Call[Appeals]:
    return Call("GET", of_analysis(analysis_id, "/appeals"), record(Appeals))


def rulings(analysis_id: str) -> Call[Rulings]:
    return Call("GET", of_analysis(analysis_id, "/rulings"), record(Rulings))


def queue(page_size: int, cursor: str | None) -> Call[QueuePage]:
    return Call("GET", "/v1/queue", record(QueuePage), asked(limit=page_size, cursor=cursor))


def statement(analysis_id: str) -> Call[Statement]:
    return Call("GET", of_analysis(analysis_id, "/statement"), record(Statement))


def statements(since: datetime | None, until: datetime | None, cursor: str | None) -> Call[StatementPage]:
    return Call("GET", "/v1/statements", record(StatementPage), asked(since=since, until=until, cursor=cursor))


def transparency(since: datetime | None, until: datetime | None) -> Call[Transparency]:
    return Call("GET", "/v1/transparency", record(Transparency), asked(since=since, until=until))
