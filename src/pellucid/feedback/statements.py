"""Statements of reasons: of one analysis, and of the decisions of a period, as JSON or CSV for the transparency database.

A page of JSON holds at most 100, which is what the database takes in one call.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from pellucid.analyse.statement import Circumstances, statement_of
from pellucid.base.cells import harmless
from pellucid.base.errors import NothingRestricted
from pellucid.base.moments import Moment
from pellucid.feedback.desk import AnalysisId, Desk, Held
from pellucid.records.pages import StatementPage
from pellucid.records.recourse import RecoursePolicy
from pellucid.records.statement import Fields, Statement
from pellucid.store.cursors import STATEMENTS
from pellucid.store.decisions import PAGE, Decided, Period, decided_in, decided_one
from pellucid.store.store import Store

of_analysis = APIRouter(prefix="/v1/analyses/{analysis_id}", tags=["recourse"])
router = APIRouter(prefix="/v1/statements", tags=["recourse"])
PER_CALL = 100


class PeriodQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Moment | None = Field(None, description="Decided at or after this moment (RFC 3339)")
    until: Moment | None = Field(None, description="Decided before this moment (RFC 3339)")

    @property
    def period(self) -> Period:
        return Period(self.since, self.until)


class StatementsQuery(PeriodQuery):
    format: Literal["json", "csv"] = Field("json", description="`csv` is the whole period at once")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before; of JSON only")


@of_analysis.get("/statement", summary="The reasons for the decision that stands (DSA Art. 17)")
async def statement(desk: Held, analysis_id: AnalysisId) -> Statement:
    """404 `nothing-restricted` where the picture is neither restricted nor labelled."""
    return await desk.ask(lambda: statement_on(desk, analysis_id))


@router.get(
    "",
    summary="Statements of reasons of a period",
    response_model=StatementPage,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def statements(desk: Held, asked: Annotated[StatementsQuery, Query()]) -> Response:
    """Of the decisions that stand, by the id of the analysis. Lists inside a CSV field are JSON."""
    if asked.format == "csv":
        return StreamingResponse(as_csv(all_of(desk.store, desk.recourse, asked.period)), media_type="text/csv")
    page = await desk.ask(lambda: _page(desk, asked))
    return Response(page.model_dump_json(), media_type="application/json")


def all_of(store: Store, policy: RecoursePolicy, period: Period) -> Iterator[Fields]:
    """Read in pages, so that a long period holds neither memory nor a transaction."""
    after = ""
    while True:
        with store.database.connect() as connection:
            found = decided_in(connection, period, tuple(policy.statements.visibility), after)
        for decided in found:
            if made := _of(decided, policy):
                yield made.fields
        if len(found) < PAGE:
            return
        after = found[-1].report.id


def as_csv(statements: Iterator[Fields]) -> Iterator[str]:
    yield _line(Fields.model_fields)
    for each in statements:
        yield _line(json.dumps(value) if isinstance(value, list) else harmless(value) for value in each.model_dump().values())


def statement_on(desk: Desk, analysis_id: str) -> Statement:
    """Raises `NothingRestricted`, or as `Store.get`."""
    desk.store.get(analysis_id)
    with desk.store.database.connect() as connection:
        decided = decided_one(connection, analysis_id)
    if made := decided and _of(decided, desk.recourse):
        return made
    raise NothingRestricted(
        f"the analysis {analysis_id} is neither restricted nor labelled, so there is nothing to give reasons for"
    )


def _page(desk: Desk, asked: StatementsQuery) -> StatementPage:
    decisions = tuple(desk.recourse.statements.visibility)
    after = STATEMENTS.read(asked.cursor) if asked.cursor else ""
    with desk.store.database.connect() as connection:
        found = decided_in(connection, asked.period, decisions, after, PER_CALL + 1)
    shown = found[:PER_CALL]
    made = [one.fields for decided in shown if (one := _of(decided, desk.recourse))]
    return StatementPage(statements=made, next=STATEMENTS.write(shown[-1].report.id) if len(found) > PER_CALL else None)


def _of(decided: Decided, policy: RecoursePolicy) -> Statement | None:
    return statement_of(decided.report, Circumstances(decided.ruling, decided.flagged), policy)


def _line(values: Any) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(values)
    return file.getvalue()
