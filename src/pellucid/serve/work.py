"""A bounded number of threads with a bounded queue: what does not fit is told to come again, at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pellucid.base.errors import AnalysisTooSlow, Busy
from pellucid.serve.metrics import Metrics

T = TypeVar("T")


class Work:
    """`threads` jobs run, `queue_limit` wait, each for at most `timeout_s` in all."""

    def __init__(self, threads: int, queue_limit: int, timeout_s: float, metrics: Metrics) -> None:
        self._threads = threads
        self._queue_limit = queue_limit
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._accepted = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="pellucid-work")

    async def do(self, job: Callable[[], T]) -> T:
        """Raises `Busy` where the queue is full and `AnalysisTooSlow` after the time allowed.

        A running job cannot be stopped; one that is late keeps its place until it ends, so there are never more than allowed.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                return await self.to_the_end(job)
        except TimeoutError as error:
            allowed = f"no answer in {self._timeout_s:g} s, which is the time allowed"
            what = allowed if limit.expired() else "a model took too long"
            raise AnalysisTooSlow(f"{what}; try again") from error

    async def to_the_end(self, job: Callable[[], T]) -> T:
        """As `do`, however long it takes: nobody waits for the answer. Raises `Busy`."""
        self._enter()
        future = self._executor.submit(job)
        future.add_done_callback(lambda _: self._leave())
        return await asyncio.wrap_future(future)

    @property
    def idle(self) -> int:
        """Threads that have nothing to do."""
        return max(self._threads - self._accepted, 0)

    def close(self) -> None:
        """Wait for what runs; nobody waits any more for what has not begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _enter(self) -> None:
        with self._lock:
            if self._accepted >= self._threads + self._queue_limit:
                raise Busy(f"{self._queue_limit} pictures are waiting, which is the most allowed; try again")
            self._accepted += 1
            self._show()

    def _leave(self) -> None:
        with self._lock:
            self._accepted -= 1
            self._show()

    def _show(self) -> None:
        self._metrics.in_flight.set(min(self._accepted, self._threads))
        self._metrics.queue_depth.set(max(self._accepted - self._threads, 0))
