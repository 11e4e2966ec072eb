"""The life cycle of an analysis, as changes and questions within a transaction that the caller holds.

accepted ──→ answered      a picture that was accepted is a row before it has a report,
    └──────→ failed        and ends as one of the two, once;
any of them ─→ deleted     the row stays and says when and why, all else is gone
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, insert, select, update

from pellucid.base.errors import AnalysisFailed, Deleted, NotAnswered, NotFound
from pellucid.records.report import Report
from pellucid.store.leases import now
from pellucid.store.search import add_answered
from pellucid.store.tables import analyses

State = Literal["accepted", "answered", "failed", "deleted"]
SOURCE_LENGTH = 1024


@dataclass(frozen=True)
class Arrival:
    """A picture that is to be accepted; its bytes are kept as the object `sha256`."""

    id: str
    created: datetime
    sha256: str
    source: str | None = None
    declared: str | None = None


@dataclass(frozen=True)
class Problem:
    """Why an analysis failed: an error's code, and what it said."""

    code: str
    detail: str


@dataclass(frozen=True)
class Standing:
    """How far an analysis is; the report once it is answered, the problem where it failed."""

    id: str
    state: State
    created: datetime
    source: str | None = None
    declared: str | None = None
    sha256: str | None = None
    report: Report | None = None
    problem: Problem | None = None


def add_accepted(connection: Connection, arrival: Arrival) -> None:
    values = {
        "id": arrival.id,
        "state": "accepted",
        "created": arrival.created,
        "source": storable(arrival.source),
        "declared": arrival.declared,
        "sha256": arrival.sha256,
    }
    connection.execute(insert(analyses).values(values))


def set_answered(connection: Connection, report: Report, embedding: NDArray[np.float32] | None) -> None:
    """The report is kept and can be searched for. Raises `NotFound` where it is not waiting for an answer."""
    _settle(connection, report.id, {"state": "answered", **answer_columns(report, embedding)})
    add_answered(connection, report, embedding)


def set_report(connection: Connection, report: Report) -> None:
    """Another report in place of the one that was given; the embedding stays."""
    columns = answer_columns(report, None)
    del columns["embedding"]
    connection.execute(update(analyses).where(analyses.c.id == report.id, analyses.c.state == "answered").values(columns))


def set_failed(connection: Connection, analysis_id: str, problem: Problem) -> None:
    """Raises `NotFound` where it is not waiting for an answer."""
    _settle(connection, analysis_id, {"state": "failed", "problem": {"code": problem.code, "detail": problem.detail}})


def answer_columns(report: Report, embedding: NDArray[np.float32] | None) -> dict[str, Any]:
    return {
        "sha256": report.image.sha256,
        "pdq": report.image.pdq,
        "verdict": report.verdict.label,
        "decision": report.moderation and report.moderation.decision,
        "probability": report.inference and report.inference.probability,
        "bundle": report.model.bundle,
        "inherits": report.ruling.analysis if report.ruling and report.ruling.how == "inherited" else None,
        "report": report.model_dump(mode="json"),
        "embedding": None if embedding is None else embedding.astype("<f2").tobytes(),
    }


def standing_of(connection: Connection, analysis_id: str) -> Standing:
    """Raises `NotFound`."""
    columns = [analyses.c[name] for name in ("id", "state", "created", "source", "declared", "sha256", "report", "problem")]
    row = connection.execute(select(*columns).where(analyses.c.id == analysis_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no analysis {analysis_id!r}")
    report = None if row.report is None else Report.model_validate(row.report)
    problem = None if row.problem is None else Problem(**row.problem)
    return Standing(row.id, row.state, row.created, row.source, row.declared, row.sha256, report, problem)


def answered(standing: Standing) -> Report:
    """Its report. Raises `NotAnswered`, `AnalysisFailed` or `Deleted` where there is none."""
    if standing.report is not None:
        return standing.report
    if standing.state == "deleted":
        raise Deleted(f"the analysis {standing.id} was deleted")
    if standing.problem is not None:
        raise AnalysisFailed(f"the analysis {standing.id} failed: {standing.problem.code}: {standing.problem.detail}")
    raise NotAnswered(f"the analysis {standing.id} is accepted and not answered yet; ask again in a second")


def embedding_of(connection: Connection, analysis_id: str) -> NDArray[np.float32] | None:
    """[512], or None where the encoder gave no answer. Raises `NotFound`."""
    row = connection.execute(select(analyses.c.embedding).where(analyses.c.id == analysis_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no analysis {analysis_id!r}")
    return embedding_from(row.embedding)


def embedding_from(kept: bytes | None) -> NDArray[np.float32] | None:
    return None if kept is None else np.frombuffer(kept, dtype="<f2").astype(np.float32)


def page_of(
    *,
    verdict: str | None,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
    before: str | None,
    limit: int,
) -> Select[Any]:
    """Reports newest first: those older than the id `before`, made at or after `since` and before `until`."""
    conditions = [
        analyses.c.state == "answered",
        None if verdict is None else analyses.c.verdict == verdict,
        None if decision is None else analyses.c.decision == decision,
        None if since is None else analyses.c.created >= since,
        None if until is None else analyses.c.created < until,
        None if before is None else analyses.c.id < before,
    ]
    statement = select(analyses.c.id, analyses.c.report).order_by(analyses.c.id.desc()).limit(limit)
    return statement.where(*[condition for condition in conditions if condition is not None])


def _settle(connection: Connection, analysis_id: str, values: dict[str, Any]) -> None:
    waiting = (analyses.c.id == analysis_id, analyses.c.state == "accepted")
    if connection.execute(update(analyses).where(*waiting).values(settled=now(), **values)).rowcount != 1:
        raise NotFound(f"there is no analysis {analysis_id!r} that waits for its answer")


def storable(source: str | None) -> str | None:
    """A file's name as a database takes it: PostgreSQL refuses the character NUL."""
    return source and source.replace("\0", "\N{REPLACEMENT CHARACTER}")[:SOURCE_LENGTH]
