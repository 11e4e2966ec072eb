"""What runs beside the requests: jobs from the queue, webhooks from the outbox, copies of ruled pictures, leases, deletion.

Each is a loop that asks the store, works, and sleeps until it is woken or a little time is over; a loop that meets an error (the
database was away) logs it and goes on. Jobs use threads that requests leave idle, and always one, so that neither starves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from pellucid.base.errors import Unavailable
from pellucid.base.settings import Settings
from pellucid.records.retention import Retention
from pellucid.serve.service import Service
from pellucid.serve.webhook_sending import Receiver, send
from pellucid.store.deliveries import Delivery
from pellucid.store.queue import ANALYSE, COPIES, Job
from pellucid.store.sessions import Lifetime
from pellucid.store.sweep import erase_orphans, erase_overdue, forget_old, forget_sign_ins

# How long work put in by another process may wait unseen. Within a process the loops are woken.
POLL_S = 0.5
SENDERS = 8
ERASED_AT_ONCE = 100
# Every object is listed for it.
ORPHANS_EVERY_S = 24 * 3600.0

# Looks for copies of what was ruled on; says how many reports became of each kind.
SearchCopies = Callable[[Job], Mapping[str, int]]

log = logging.getLogger(__name__)


class Worker:
    """`run` until `stop`; then what is under way is finished and the rest left to others."""

    def __init__(
        self, service: Service, settings: Settings, receiver: Receiver | None, retention: Retention | None, search: SearchCopies
    ) -> None:
        """`search` works one job of the kind `COPIES`."""
        self._service, self._search = service, search
        self._settings = settings
        self._receiver = receiver
        self._retention = retention
        # Threads of their own: a receiver that is slow must not hold up the questions to the store.
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="pellucid-webhook")
        # One: it takes minutes where there are many copies, and nobody waits for it.
        self._searcher = ThreadPoolExecutor(1, thread_name_prefix="pellucid-copies")
        self._stopping = asyncio.Event()
        self._orphans_due = 0.0

    async def run(self) -> None:
        """Leases are kept in every role, since requests hold some too."""
        settings = self._settings
        does_work = settings.role in ("all", "worker")
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._every(settings.lease_s / 3, self._keep_leases))
            if does_work:
                loops.create_task(self._work(self._take_jobs, self._start_job))
                loops.create_task(self._work(self._take_search, self._start_search))
                loops.create_task(self._every(settings.sweep_minutes * 60, self._sweep))
            if does_work and self._receiver is not None:
                loops.create_task(self._work(self._take_deliveries, self._start_delivery))
        self._senders.shutdown()
        self._searcher.shutdown()

    def stop(self) -> None:
        self._stopping.set()
        self._service.wake()

    async def _work(self, take: Callable[[int], Awaitable[Any]], start: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Take what there is room for and start it; at the end wait for what is under way."""
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            changed = self._service.changed
            taken = await _forgiven(take(len(under_way)), ())
            for each in taken:
                task = asyncio.create_task(_logged(start(each)))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                task.add_done_callback(lambda _: self._service.wake())
            if not taken:
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), POLL_S)
        if under_way:
            await asyncio.wait(under_way)

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            await _forgiven(asyncio.to_thread(work), None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _take_jobs(self, under_way: int) -> tuple[Job, ...]:
        with suppress(Unavailable):
            _ = self._service.engine
            room = max(self._service.work.idle, 1 if under_way == 0 else 0)
            return await asyncio.to_thread(self._service.store.queue.take, ANALYSE, room) if room else ()
        return ()

    async def _start_job(self, job: Job) -> None:
        engine = self._service.engine
        try:
            await self._service.work.to_the_end(lambda: self._service.answering.taken(engine, job))
        except Unavailable:
            await asyncio.to_thread(self._service.store.queue.return_unused, job, 0.0)

    async def _take_search(self, under_way: int) -> tuple[Job, ...]:
        return () if under_way else await asyncio.to_thread(self._service.store.queue.take, COPIES, 1)

    async def _start_search(self, job: Job) -> None:
        """One that fails is taken up again when its lease ends."""
        found = await asyncio.get_running_loop().run_in_executor(self._searcher, self._search, job)
        for how, count in found.items():
            self._service.metrics.copies.labels(how).inc(count)

    async def _take_deliveries(self, under_way: int) -> tuple[Delivery, ...]:
        room = SENDERS - under_way
        return await asyncio.to_thread(self._service.store.outbox.take, room) if room else ()

    async def _start_delivery(self, delivery: Delivery) -> None:
        assert self._receiver is not None
        send_it = partial(send, self._service.store.outbox, self._receiver, delivery, self._service.metrics)
        await asyncio.get_running_loop().run_in_executor(self._senders, send_it)

    def _keep_leases(self) -> None:
        self._service.store.queue.keep(self._settings.job_timeout_s)
        self._service.metrics.backlog.set(self._service.store.queue.waiting(ANALYSE))

    def _sweep(self) -> None:
        store = self._service.store
        forget_old(store)
        forget_sign_ins(store, Lifetime.of(self._settings))
        if time.monotonic() >= self._orphans_due:
            self._orphans_due = time.monotonic() + ORPHANS_EVERY_S
            erase_orphans(store)
        while self._retention is not None and not self._stopping.is_set():
            erased = erase_overdue(store, self._retention, ERASED_AT_ONCE)
            self._service.metrics.deleted.inc(erased)
            if erased < ERASED_AT_ONCE:
                return


async def _forgiven(work: Awaitable[Any], instead: Any) -> Any:
    """`instead` where the store does not answer: the next turn asks again."""
    try:
        return await work
    except Exception:
        log.exception("the store does not answer")
        return instead


async def _logged(work: Awaitable[None]) -> None:
    """A job that could not be written down is still leased, and is taken up again when the lease ends."""
    try:
        await work
    except Exception:
        log.exception("work could not be finished; it is taken up again")
