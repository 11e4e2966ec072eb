"""Every call of the API as data: method, path, what is sent, how the answer is read. `Client` and `AsyncClient` send them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar

import httpx2

from pellucid.base.ids import is_id
from pellucid.client import reading
from pellucid.client.pictures import Sending
from pellucid.client.reading import Published, record
from pellucid.records.dry_run import DryRun
from pellucid.records.pages import Duplicates, FoundPage, ReportPage, SimilarList
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.records.service import Health, Models, Pending

T = TypeVar("T")
Declared = Literal["none", "edited", "generated"]
Format = Literal["jpeg", "png", "webp", "avif"]
Label = Literal["verdict", "none", "edited", "generated"]
ANALYSES = "/v1/analyses"
KEY = re.compile(r"[!-~]{1,255}")


class Filters(TypedDict, total=False):
    """`since` is included, `until` is not; a moment without a zone is UTC."""

    verdict: VerdictLabel
    decision: Decision
    since: datetime
    until: datetime


class SearchFilters(Filters, total=False):
    tag: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """`sending` are arguments of an HTTP request; `repeatable`: done twice it does no more than done once."""

    method: str
    path: str
    read: Callable[[httpx2.Response], T]
    sending: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True

    def arguments(self) -> dict[str, Any]:
        return {"method": self.method, "url": self.path, **self.sending}


def analyse(sending: Sending, declared: Declared | None, key: str | None) -> Call[Report]:
    return Call("POST", ANALYSES, reading.report, _upload(sending, declared, key))


def accept(sending: Sending, declared: Declared | None, key: str | None) -> Call[Pending]:
    return Call("POST", ANALYSES, record(Pending), _upload(sending, declared, key, Prefer="respond-async"))


def get(analysis_id: str) -> Call[Report]:
    return Call("GET", of_analysis(analysis_id), reading.report)


def delete(analysis_id: str) -> Call[None]:
    return Call("DELETE", of_analysis(analysis_id), reading.nothing)


def page(filters: Filters, page_size: int, cursor: str | None) -> Call[ReportPage]:
    return Call("GET", ANALYSES, record(ReportPage), asked(**filters, limit=page_size, cursor=cursor))


def search(q: str, filters: SearchFilters, page_size: int, cursor: str | None) -> Call[FoundPage]:
    return Call("GET", "/v1/search", record(FoundPage), asked(q=q, **filters, limit=page_size, cursor=cursor))


def search_by_picture(sending: Sending, filters: SearchFilters, limit: int) -> Call[SimilarList]:
    if sending.url is not None:
        raise ValueError("a search takes the picture itself, not its address")
    return Call("POST", "/v1/search", record(SimilarList), {**asked(**filters, limit=limit), **sending.body()})


def similar(analysis_id: str, filters: SearchFilters, limit: int) -> Call[SimilarList]:
    return Call("GET", of_analysis(analysis_id, "/similar"), record(SimilarList), asked(**filters, limit=limit))


def duplicates(analysis_id: str, limit: int) -> Call[Duplicates]:
    return Call("GET", of_analysis(analysis_id, "/duplicates"), record(Duplicates), asked(limit=limit))


def heatmap(analysis_id: str) -> Call[bytes]:
    return Call("GET", of_analysis(analysis_id, "/heatmap"), reading.content)


def derivative(
    sending: Sending | None, analysis_id: str | None, size: int | None, to: Format | None, label: Label | None
) -> Call[Published]:
    if (sending is None) == (analysis_id is None) or (sending is not None and sending.url is not None):
        raise ValueError("give either a picture (not its address) or `analysis`, the id of a report")
    body = sending.body() if sending else {}
    query = asked(size=size, format=to, label=label, analysis=analysis_id)
    return Call("POST", "/v1/derivatives", reading.published, {**query, **body})


def dry_run(policy: str, since: datetime | None, until: datetime | None, reports: int, cursor: str | None) -> Call[DryRun]:
    wish = {"policy": policy, "since": since, "until": until, "reports": reports, "cursor": cursor}
    return Call("POST", "/v1/policies/dry-run", record(DryRun), {"json": plain(wish)})


def models() -> Call[Models]:
    return Call("GET", "/v1/models", record(Models))


def health() -> Call[Health]:
    return Call("GET", "/healthz", record(Health))


def ready() -> Call[Health]:
    return Call("GET", "/readyz", record(Health))


def of_analysis(analysis_id: str, below: str = "") -> str:
    """Raises `ValueError` where it is none that the service could have given, before it becomes part of an address."""
    if not is_id(analysis_id):
        raise ValueError(f"{analysis_id[:80]!r} is not the id of an analysis; take `id` of a report")
    return f"{ANALYSES}/{analysis_id}{below}"


def asked(**params: object) -> dict[str, Any]:
    """Parameters in the address; those that are None are left out."""
    return {"params": plain(params)}


def plain(fields: Mapping[str, object]) -> dict[str, Any]:
    """Without None, moments as RFC 3339."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}


def _upload(sending: Sending, declared: Declared | None, key: str | None, **headers: str) -> dict[str, Any]:
    """Always with an `Idempotency-Key`, so that sending it again begins no second analysis."""
    if key is not None and not KEY.fullmatch(key):
        raise ValueError(f"the idempotency key is {key[:80]!r}; allowed are 1 to 255 printable characters without spaces")
    body = sending.body(declared_ai=declared)
    given = {"Idempotency-Key": key or uuid.uuid4().hex, **headers}
    return {**body, "headers": {**body.get("headers", {}), **given}}
