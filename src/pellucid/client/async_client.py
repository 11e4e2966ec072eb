"""The client for programs that do other things meanwhile (asyncio): every method of `Client`, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from types import TracebackType
from typing import Literal, Self, Unpack, overload

import anyio
import anyio.to_thread
import httpx2

from pellucid.client import calls, calls_recourse
from pellucid.client.admin import AsyncAdmin
from pellucid.client.calls import Call, Declared, Filters, Format, Label, SearchFilters, T
from pellucid.client.client import PAGE, POLL_S, P, id_of
from pellucid.client.endpoint import TIMEOUT_S, Endpoint
from pellucid.client.errors import ConnectionFailed, NotAnswered, StillWaiting, Unavailable
from pellucid.client.pictures import Picture, Sending, opened
from pellucid.client.reading import Published
from pellucid.client.retries import USUAL, Retries
from pellucid.records.dry_run import DryRun
from pellucid.records.label import Appeal, Flag, RuledVerdict, Ruling
from pellucid.records.pages import Duplicate, Found, QueuedCase, Similar, Why
from pellucid.records.report import Decision, Report
from pellucid.records.service import Health, ModelInfo, Pending
from pellucid.records.statement import Fields, Statement
from pellucid.records.transparency import Transparency


class AsyncClient:
    """As `Client`, whose methods say what they do; `async with` closes it. `aclose` is `close`."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = USUAL,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._endpoint = Endpoint.of(url, api_key, timeout_s, retries)
        self._http = httpx2.AsyncClient(**self._endpoint.http(), transport=transport)
        self.admin = AsyncAdmin(self._do)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    @overload
    async def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: Literal[False] = False,
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Report: ...  # fmt: skip
    @overload
    async def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: Literal[True],
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Pending: ...  # fmt: skip
    async def analyse(
        self, picture: Picture, *, declared: Declared | None = None, later: bool = False,
        idempotency_key: str | None = None, name: str | None = None,
    ) -> Report | Pending:  # fmt: skip
        sending = await _opened(picture, name)
        if later:
            return await self._do(calls.accept(sending, declared, idempotency_key))
        return await self._do(calls.analyse(sending, declared, idempotency_key))

    async def wait(self, analysis: str | Pending, timeout_s: float = 120.0) -> Report:
        analysis_id, until = id_of(analysis), anyio.current_time() + timeout_s
        while True:
            try:
                return await self.get(analysis_id)
            except NotAnswered as error:
                pause_s = error.retry_after_s or POLL_S
            if anyio.current_time() + pause_s > until:
                raise StillWaiting(analysis_id, timeout_s)
            await anyio.sleep(pause_s)

    async def get(self, analysis_id: str) -> Report:
        return await self._do(calls.get(analysis_id))

    async def delete(self, analysis_id: str) -> None:
        await self._do(calls.delete(analysis_id))

    async def list(self, *, page_size: int = PAGE, **filters: Unpack[Filters]) -> AsyncIterator[Report]:
        async for page in self._pages(lambda cursor: calls.page(filters, page_size, cursor)):
            for item in page.items:
                yield item

    async def search(self, q: str, *, page_size: int = PAGE, **filters: Unpack[SearchFilters]) -> AsyncIterator[Found]:
        async for page in self._pages(lambda cursor: calls.search(q, filters, page_size, cursor)):
            for item in page.items:
                yield item

    async def search_by_picture(
        self, picture: Picture, *, limit: int = 20, **filters: Unpack[SearchFilters]
    ) -> tuple[Similar, ...]:
        return tuple((await self._do(calls.search_by_picture(await _opened(picture), filters, limit))).items)

    async def similar(self, analysis_id: str, *, limit: int = 20, **filters: Unpack[SearchFilters]) -> tuple[Similar, ...]:
        return tuple((await self._do(calls.similar(analysis_id, filters, limit))).items)

    async def duplicates(self, analysis_id: str, *, limit: int = 50) -> tuple[Duplicate, ...]:
        return tuple((await self._do(calls.duplicates(analysis_id, limit))).items)

    async def heatmap(self, analysis_id: str) -> bytes:
        return await self._do(calls.heatmap(analysis_id))

    async def derivative(
        self, picture: Picture | None = None, *, analysis: str | None = None, size: int | None = None, to: Format | None = None,
        label: Label | None = None,
    ) -> Published:  # fmt: skip
        sending = None if picture is None else await _opened(picture)
        return await self._do(calls.derivative(sending, analysis, size, to, label))

    async def flag(self, analysis_id: str, says: RuledVerdict, note: str | None = None, *, actor: str | None = None) -> Flag:
        return await self._do(calls_recourse.flag(analysis_id, says, note, actor))

    async def appeal(self, analysis_id: str, reason: str, *, actor: str | None = None) -> Appeal:
        return await self._do(calls_recourse.appeal(analysis_id, reason, actor))

    async def rule(
        self, analysis_id: str, verdict: RuledVerdict, reason: str, *, reply: str | None = None, decision: Decision | None = None,
        actor: str | None = None,
    ) -> Ruling:  # fmt: skip
        return await self._do(calls_recourse.rule(analysis_id, verdict, reason, reply, decision, actor))

    async def flags(self, analysis_id: str) -> tuple[Flag, ...]:
        return tuple((await self._do(calls_recourse.flags(analysis_id))).items)

    async def appeals(self, analysis_id: str) -> tuple[Appeal, ...]:
        return tuple((await self._do(calls_recourse.appeals(analysis_id))).items)

    async def rulings(self, analysis_id: str) -> tuple[Ruling, ...]:
        return tuple((await self._do(calls_recourse.rulings(analysis_id))).items)

    async def queue(self, *, page_size: int = PAGE) -> AsyncIterator[QueuedCase]:
        async for page in self._pages(lambda cursor: calls_recourse.queue(page_size, cursor)):
            for item in page.items:
                yield item

    async def waiting(self) -> dict[Why, int]:
        return (await self._do(calls_recourse.queue(1, None))).waiting

    async def statement(self, analysis_id: str) -> Statement:
        return await self._do(calls_recourse.statement(analysis_id))

    async def statements(self, since: datetime | None = None, until: datetime | None = None) -> AsyncIterator[Fields]:
        async for page in self._pages(lambda cursor: calls_recourse.statements(since, until, cursor)):
            for item in page.statements:
                yield item

    async def transparency(self, since: datetime | None = None, until: datetime | None = None) -> Transparency:
        return await self._do(calls_recourse.transparency(since, until))

    async def dry_run(
        self, policy: str, *, since: datetime | None = None, until: datetime | None = None, reports: int = 2000,
        cursor: str | None = None,
    ) -> DryRun:  # fmt: skip
        return await self._do(calls.dry_run(policy, since, until, reports, cursor))

    async def models(self) -> tuple[ModelInfo, ...]:
        return tuple((await self._do(calls.models())).models)

    async def health(self) -> Health:
        return await self._do(calls.health())

    async def ready(self) -> bool:
        try:
            return (await self._do(calls.ready(), Retries(attempts=1))).status == "ready"
        except (Unavailable, ConnectionFailed):
            return False

    async def _pages(self, call: Callable[[str | None], Call[P]]) -> AsyncIterator[P]:
        cursor: str | None = None
        while True:
            page = await self._do(call(cursor))
            yield page
            if (cursor := page.next) is None:
                return

    async def _do(self, call: Call[T], retries: Retries | None = None) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self._http.request(**call.arguments())
            except httpx2.RequestError as failure:
                wait_s: float | None = self._endpoint.after_failure(call, attempt, failure, retries)
            else:
                wait_s = self._endpoint.after(call, attempt, answer, retries)
                if wait_s is None:
                    return call.read(answer)
            await anyio.sleep(wait_s or 0.0)


async def _opened(picture: Picture, name: str | None = None) -> Sending:
    """Read in a thread, for a disk may be slow."""
    return await anyio.to_thread.run_sync(opened, picture, name)
