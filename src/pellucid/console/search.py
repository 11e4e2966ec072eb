"""`/console/search`: pictures by words, by likeness to another, or the newest, among what the filters let through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pellucid.base.errors import NotFound
from pellucid.base.ids import PATTERN
from pellucid.base.moments import Moment
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.signed_in import Moderator, may
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.serve.search import CURSORS
from pellucid.serve.service import Held, Service
from pellucid.store.search import Place, SearchFilters
from pellucid.store.store import Filters

router = APIRouter(prefix="/console/search", route_class=Page, include_in_schema=False)

PAGE = 24


class Asked(BaseModel):
    """As the form sends it: what is left empty is not asked."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=2000)
    like: str | None = Field(None, pattern=PATTERN)
    verdict: VerdictLabel | None = None
    decision: Decision | None = None
    tag: str | None = Field(None, max_length=64)
    since: Moment | None = None
    until: Moment | None = None
    cursor: str | None = Field(None, max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value != ""} if isinstance(fields, dict) else fields

    @property
    def filters(self) -> SearchFilters:
        return SearchFilters(self.verdict, self.decision, self.tag and self.tag.replace("\0", " "), self.since, self.until)


@dataclass(frozen=True)
class Found:
    """`caption` is in pieces, of which the second, fourth and so on matched; `how` says how near it is, by picture."""

    report: Report
    caption: tuple[str, ...]
    matched: frozenset[str]
    how: str | None
    withheld: bool


@dataclass(frozen=True)
class Results:
    """`by` names what the order is by."""

    by: str
    found: tuple[Found, ...]
    next: str | None
    problem: str | None = None


@router.get("")
async def search(
    request: Request, service: Held, moderator: Annotated[Moderator, may("moderate")], asked: Annotated[Asked, Query()]
) -> Response:
    results = await service.read(lambda: results_of(service, asked))
    return render(request, "search.html", moderator, asked=asked, results=results)


def results_of(service: Service, asked: Asked) -> Results:
    """By likeness where another picture is named, by words where there are any, else the newest first."""
    if asked.like:
        return _by_likeness(service, asked, asked.like)
    # A tag is a word too: it is searched for, and then must be there.
    if words := asked.q.strip() or asked.tag:
        return _by_words(service, asked, words)
    return _newest(service, asked)


def _by_likeness(service: Service, asked: Asked, like: str) -> Results:
    try:
        alike = service.search.similar_to(like, asked.filters, PAGE)
    except NotFound:
        return Results("likeness", (), None, "This picture was deleted, or the encoder gave no answer for it.")
    return Results("likeness", tuple(_found(service, each.report, how=f"cosine {each.cosine:.2f}") for each in alike), None)


def _by_words(service: Service, asked: Asked, words: str) -> Results:
    place = Place() if asked.cursor is None else CURSORS.read(asked.cursor)
    matches = service.search.by_words(words, asked.filters, PAGE, place)
    found = tuple(_found(service, each.report, each.marked.caption, each.marked.tags) for each in matches.matches)
    return Results("words", found, CURSORS.write(matches.following) if matches.following else None)


def _newest(service: Service, asked: Asked) -> Results:
    page = service.store.list(Filters(asked.verdict, asked.decision, asked.since, asked.until), asked.cursor, PAGE)
    return Results("newest", tuple(_found(service, report) for report in page.reports), page.cursor)


def _found(
    service: Service, report: Report, caption: tuple[str, ...] = (), tags: tuple[str, ...] = (), how: str | None = None
) -> Found:
    whole = (report.caption.text,) if report.caption else ()
    return Found(report, caption or whole, frozenset(tags), how, service.known.withholds(report))
