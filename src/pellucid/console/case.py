"""What is known of a case, gathered for its page; and which case comes next.

What another moderator has said is left out while his ruling waits for a second one: of it and of its audit entry is shown only
that it is there, and when it came.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pellucid.base.errors import AnalysisFailed, Deleted, NotAnswered, NotFound
from pellucid.console.plots import Scale
from pellucid.console.words import ACTIONS
from pellucid.feedback.desk import Desk
from pellucid.records.label import Appeal, Flag, Ruling
from pellucid.records.pages import Duplicate, Why
from pellucid.records.report import Evidence, EvidenceKind, Report
from pellucid.serve.duplicates import duplicates_of
from pellucid.serve.service import Service
from pellucid.store.audit import entries_on
from pellucid.store.moderation_queue import LINES, Place, place_of, waiting
from pellucid.store.recourse import appeals_on, flags_on, rulings_on
from pellucid.store.search import SearchFilters

DUPLICATES, SIMILAR = 6, 4
# Cases looked at for one that the moderator has not ruled on himself.
LOOKED_AHEAD = 50


@dataclass(frozen=True)
class Happened:
    """A line of the history. `what` is None where it may not be told yet."""

    time: str
    actor: str
    title: str
    what: str | None


@dataclass(frozen=True)
class Near:
    """Another picture, and how near it is."""

    report: Report
    how: str
    withheld: bool


@dataclass(frozen=True)
class Case:
    """`place` is where it stands in the queue; `sealed` counts rulings of others that wait, `own` is this moderator's."""

    report: Report
    place: Place | None
    appeals: Sequence[Appeal]
    flags: Sequence[Flag]
    rulings: Sequence[Ruling]
    sealed: int
    own: Ruling | None
    history: Sequence[Happened]
    duplicates: Sequence[Near]
    similar: Sequence[Near]
    withheld: bool
    scale: Scale | None

    @property
    def open_appeals(self) -> list[Appeal]:
        return [each for each in self.appeals if each.state == "open"]

    @property
    def open_flags(self) -> list[Flag]:
        return [each for each in self.flags if each.state == "open"]

    def evidence(self, kind: EvidenceKind) -> list[Evidence]:
        return [each for each in self.report.evidence if each.kind == kind]


def case_of(service: Service, desk: Desk, analysis_id: str, actor: str) -> Case:
    """As `actor` may see it. Raises as `Store.get`."""
    report = service.store.get(analysis_id)
    with desk.store.database.connect() as connection:
        rulings = rulings_on(connection, analysis_id)
        sealed = {each.id for each in rulings if each.state == "waiting" and each.actor != actor}
        appeals, flags = appeals_on(connection, analysis_id), flags_on(connection, analysis_id)
        said: dict[str, Appeal | Flag | Ruling] = {each.id: each for each in appeals}
        said |= {each.id: each for each in flags} | {each.id: each for each in rulings}
        history = _history(connection, analysis_id, said, sealed)
        place = place_of(connection, analysis_id)
    return Case(
        report=report,
        place=place,
        appeals=appeals,
        flags=flags,
        rulings=[each for each in rulings if each.id not in sealed],
        sealed=len(sealed),
        own=next((each for each in rulings if each.state == "waiting" and each.actor == actor), None),
        history=history,
        duplicates=_duplicates(service, analysis_id),
        similar=_similar(service, analysis_id),
        withheld=service.known.withholds(report),
        scale=Scale.of(report.inference) if report.inference else None,
    )


def next_case(connection: Connection, after: Place | None, line: Why | None, actor: str, but: str) -> str | None:
    """The id of the next case behind `after` that waits for this moderator, from the beginning again at the end."""
    lines = LINES if line is None else (line,)
    for place in (after, None) if after else (None,):
        for case in waiting(connection, place, LOOKED_AHEAD, lines):
            mine = any(each.state == "waiting" and each.actor == actor for each in rulings_on(connection, case.report.id))
            if case.report.id != but and not mine:
                return case.report.id
    return None


def _history(
    connection: Connection, analysis_id: str, said: dict[str, Appeal | Flag | Ruling], sealed: set[str]
) -> list[Happened]:
    found = []
    for entry in entries_on(connection, analysis_id):
        details = json.loads(entry.details)
        about = next((said[value] for value in details.values() if isinstance(value, str) and value in said), None)
        what = None if about and about.id in sealed else _told(about, details)
        actor = entry.actor if what is not None else "a moderator"
        found.append(Happened(entry.time, actor, ACTIONS.get(entry.action, entry.action), what))
    return found


def _told(about: Appeal | Flag | Ruling | None, details: dict[str, object]) -> str:
    match about:
        case Appeal():
            return about.reason
        case Flag():
            return about.note or ""
        case Ruling():
            return about.reason
    return ", ".join(f"{name}: {value}" for name, value in details.items())


def _duplicates(service: Service, analysis_id: str) -> list[Near]:
    return [
        Near(report, each.why, service.known.withholds(report))
        for each in duplicates_of(service.store, service.hashes, analysis_id, DUPLICATES)[:DUPLICATES]
        if (report := _report_of(service, each))
    ]


def _similar(service: Service, analysis_id: str) -> list[Near]:
    try:
        found = service.search.similar_to(analysis_id, SearchFilters(), SIMILAR)
    except NotFound:
        return []
    return [Near(each.report, f"cosine {each.cosine:.2f}", service.known.withholds(each.report)) for each in found]


def _report_of(service: Service, each: Duplicate) -> Report | None:
    """None where it was deleted since."""
    try:
        return service.store.get(each.analysis)
    except (Deleted, NotFound, NotAnswered, AnalysisFailed):
        return None
