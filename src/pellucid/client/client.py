"""The client that waits for each answer. `AsyncClient` has the same methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar, Unpack, overload

import httpx2

from pellucid.client import calls, calls_recourse
from pellucid.client.admin import Admin
from pellucid.client.calls import Call, Declared, Filters, Format, Label, SearchFilters, T
from pellucid.client.endpoint import TIMEOUT_S, Endpoint
from pellucid.client.errors import ConnectionFailed, NotAnswered, StillWaiting, Unavailable
from pellucid.client.pictures import Picture, opened
from pellucid.client.reading import Published
from pellucid.client.retries import USUAL, Retries
from pellucid.records.dry_run import DryRun
from pellucid.records.label import Appeal, Flag, RuledVerdict, Ruling
from pellucid.records.pages import Duplicate, Found, QueuedCase, Similar, Why
from pellucid.records.report import Decision, Report
from pellucid.records.service import Health, ModelInfo, Pending
from pellucid.records.statement import Fields, Statement
from pellucid.records.transparency import Transparency

PAGE = 100
POLL_S = 1.0


class Page(Protocol):
    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=Page)


class Client:
    """One service, asked with one key, over connections that are kept: open it once, close it at the end.

    `url` and `api_key` are those of PELLUCID_URL and PELLUCID_API_KEY where they are not given; without both it is a service on
    this machine. `timeout_s` is for one attempt. Safe to use from several threads. Raises `ValueError` where one is none.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = USUAL,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._endpoint = Endpoint.of(url, api_key, timeout_s, retries)
        self._http = httpx2.Client(**self._endpoint.http(), transport=transport)
        self.admin = Admin(self._do)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @overload
    def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: Literal[False] = False,
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Report: ...  # fmt: skip
    @overload
    def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: Literal[True],
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Pending: ...  # fmt: skip
    def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: bool = False,
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Report | Pending:  # fmt: skip
        """The report of a picture: a path, bytes, an open file, or an address (http://, https://) that the service fetches.

        `declared` is what its uploader says of it. `later` accepts it and comes back at once: `wait` for it, or for the webhook.
        It is sent again if need be, always under one `Idempotency-Key` (yours, or one that is drawn): there is one analysis.
        """
        sending = opened(picture, name)
        if later:
            return self._do(calls.accept(sending, declared, idempotency_key))
        return self._do(calls.analyse(sending, declared, idempotency_key))

    def wait(self, analysis: str | Pending, timeout_s: float = 120.0) -> Report:
        """The report of a picture that was accepted. Raises `StillWaiting`, or `AnalysisFailed` where there will be none."""
        analysis_id, until = id_of(analysis), time.monotonic() + timeout_s
        while True:
            try:
                return self.get(analysis_id)
            except NotAnswered as error:
                pause_s = error.retry_after_s or POLL_S
            if time.monotonic() + pause_s > until:
                raise StillWaiting(analysis_id, timeout_s)
            time.sleep(pause_s)

    def get(self, analysis_id: str) -> Report:
        """Raises `NotAnswered`, `AnalysisFailed`, `NotFound` or `Deleted`."""
        return self._do(calls.get(analysis_id))

    def delete(self, analysis_id: str) -> None:
        self._do(calls.delete(analysis_id))

    def list(self, *, page_size: int = PAGE, **filters: Unpack[Filters]) -> Iterator[Report]:
        """Reports given before, newest first: pages are asked for as they are needed."""
        for page in self._pages(lambda cursor: calls.page(filters, page_size, cursor)):
            yield from page.items

    def search(self, q: str, *, page_size: int = PAGE, **filters: Unpack[SearchFilters]) -> Iterator[Found]:
        """Pictures by words, the best first."""
        for page in self._pages(lambda cursor: calls.search(q, filters, page_size, cursor)):
            yield from page.items

    def search_by_picture(self, picture: Picture, *, limit: int = 20, **filters: Unpack[SearchFilters]) -> tuple[Similar, ...]:
        """Stored pictures that look like this one, which is not stored."""
        return tuple(self._do(calls.search_by_picture(opened(picture), filters, limit)).items)

    def similar(self, analysis_id: str, *, limit: int = 20, **filters: Unpack[SearchFilters]) -> tuple[Similar, ...]:
        return tuple(self._do(calls.similar(analysis_id, filters, limit)).items)

    def duplicates(self, analysis_id: str, *, limit: int = 50) -> tuple[Duplicate, ...]:
        return tuple(self._do(calls.duplicates(analysis_id, limit)).items)

    def heatmap(self, analysis_id: str) -> bytes:
        """A PNG. It shows where the detector looked and proves nothing."""
        return self._do(calls.heatmap(analysis_id))

    def derivative(
        self, picture: Picture | None = None, *, analysis: str | None = None, size: int | None = None, to: Format | None = None,
        label: Label | None = None,
    ) -> Published:  # fmt: skip
        """A picture to publish, made of one that is sent or of that of an `analysis`; `size` is its longest side in pixels."""
        sending = None if picture is None else opened(picture)
        return self._do(calls.derivative(sending, analysis, size, to, label))

    def flag(self, analysis_id: str, says: RuledVerdict, note: str | None = None, *, actor: str | None = None) -> Flag:
        """A user says that the answer is wrong. `actor` is the person for whom the key asks."""
        return self._do(calls_recourse.flag(analysis_id, says, note, actor))

    def appeal(self, analysis_id: str, reason: str, *, actor: str | None = None) -> Appeal:
        """The uploader objects. Raises `Conflict` where an appeal is open."""
        return self._do(calls_recourse.appeal(analysis_id, reason, actor))

    def rule(
        self, analysis_id: str, verdict: RuledVerdict, reason: str, *, reply: str | None = None, decision: Decision | None = None,
        actor: str | None = None,
    ) -> Ruling:  # fmt: skip
        """A moderator decides."""
        return self._do(calls_recourse.rule(analysis_id, verdict, reason, reply, decision, actor))

    def flags(self, analysis_id: str) -> tuple[Flag, ...]:
        return tuple(self._do(calls_recourse.flags(analysis_id)).items)

    def appeals(self, analysis_id: str) -> tuple[Appeal, ...]:
        return tuple(self._do(calls_recourse.appeals(analysis_id)).items)

    def rulings(self, analysis_id: str) -> tuple[Ruling, ...]:
        return tuple(self._do(calls_recourse.rulings(analysis_id)).items)

    def queue(self, *, page_size: int = PAGE) -> Iterator[QueuedCase]:
        """What waits for a moderator, in his order."""
        for page in self._pages(lambda cursor: calls_recourse.queue(page_size, cursor)):
            yield from page.items

    def waiting(self) -> dict[Why, int]:
        """How many pictures stand in each line of the queue."""
        return self._do(calls_recourse.queue(1, None)).waiting

    def statement(self, analysis_id: str) -> Statement:
        """The reasons for the decision that stands. Raises `NothingRestricted`."""
        return self._do(calls_recourse.statement(analysis_id))

    def statements(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Fields]:
        for page in self._pages(lambda cursor: calls_recourse.statements(since, until, cursor)):
            yield from page.statements

    def transparency(self, since: datetime | None = None, until: datetime | None = None) -> Transparency:
        return self._do(calls_recourse.transparency(since, until))

    def dry_run(
        self, policy: str, *, since: datetime | None = None, until: datetime | None = None, reports: int = 2000,
        cursor: str | None = None,
    ) -> DryRun:  # fmt: skip
        """Which stored decisions the TOML of a policy would change; `next` of the answer goes on. Changes nothing."""
        return self._do(calls.dry_run(policy, since, until, reports, cursor))

    def models(self) -> tuple[ModelInfo, ...]:
        return tuple(self._do(calls.models()).models)

    def health(self) -> Health:
        """Is the process alive? Raises `Unavailable` where only a new start can help."""
        return self._do(calls.health())

    def ready(self) -> bool:
        """Can it answer pictures? Asked once, without trying again."""
        try:
            return self._do(calls.ready(), Retries(attempts=1)).status == "ready"
        except (Unavailable, ConnectionFailed):
            return False

    def _pages(self, call: Callable[[str | None], Call[P]]) -> Iterator[P]:
        cursor: str | None = None
        while True:
            page = self._do(call(cursor))
            yield page
            if (cursor := page.next) is None:
                return

    def _do(self, call: Call[T], retries: Retries | None = None) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._http.request(**call.arguments())
            except httpx2.RequestError as failure:
                wait_s: float | None = self._endpoint.after_failure(call, attempt, failure, retries)
            else:
                wait_s = self._endpoint.after(call, attempt, answer, retries)
                if wait_s is None:
                    return call.read(answer)
            time.sleep(wait_s or 0.0)


def id_of(analysis: str | Pending) -> str:
    return analysis if isinstance(analysis, str) else analysis.id
