"""Dynamic batching inside one process: callers hand over single items, worker threads run them in batches.

A batch is closed when it is full or when its first item has waited `max_wait_ms`. Each stream has its own worker, so while one
batch runs the next one gathers. Callers never share a fate: when a batch fails, its items are run once more one by one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from pellucid.base.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")
Observe = Callable[[int, float], None]


@dataclass(frozen=True)
class _Waiting(Generic[T, R]):
    item: T
    answer: Future[R]
    since_s: float


class Batcher(Generic[T, R]):
    """`run` gets 1 to `max_batch` items and gives as many results in their order; it is called by `streams` threads at a time.

    `observe(batch_size, wait_ms)` hears of every batch and how long its first item waited.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Sequence[R]],
        max_batch: int,
        max_wait_ms: float,
        streams: int = 1,
        max_waiting: int = 1024,
        observe: Observe | None = None,
    ) -> None:
        self._run, self._max_batch, self._max_wait_s = run, max_batch, max_wait_ms / 1000
        self._max_waiting, self._observe = max_waiting, observe
        self._queue: deque[_Waiting[T, R]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._workers = [threading.Thread(target=self._work, name=f"batcher-{index}", daemon=True) for index in range(streams)]
        for worker in self._workers:
            worker.start()

    def submit(self, item: T) -> Future[R]:
        """Cancel the future to take the item back while it waits. Raises `Unavailable` when the queue is full or closed."""
        with self._changed:
            if self._closed:
                raise Unavailable("the service is stopping; send the picture again")
            if len(self._queue) >= self._max_waiting:
                raise Unavailable(f"{len(self._queue)} views are waiting for the encoder, no more are let in; try again soon")
            waiting: _Waiting[T, R] = _Waiting(item, Future(), time.monotonic())
            self._queue.append(waiting)
            self._changed.notify()
        return waiting.answer

    def close(self, timeout_s: float = 10.0) -> None:
        """Take nothing more, answer what waits; what is not begun after `timeout_s` fails with `Unavailable`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.join(max(0.0, deadline_s - time.monotonic()))
        with self._changed:
            left, self._queue = list(self._queue), deque()
        for waiting in left:
            if waiting.answer.set_running_or_notify_cancel():
                waiting.answer.set_exception(Unavailable("the service stopped before the picture was answered; send it again"))

    def _work(self) -> None:
        while batch := self._gather():
            wait_ms = (time.monotonic() - batch[0].since_s) * 1000
            begun = [waiting for waiting in batch if waiting.answer.set_running_or_notify_cancel()]
            if begun:
                self._answer(begun)
                if self._observe:
                    self._observe(len(begun), wait_ms)

    def _gather(self) -> list[_Waiting[T, R]]:
        """The next batch; empty once the batcher is closed and nothing waits."""
        with self._changed:
            while not self._is_ready():
                if self._closed and not self._queue:
                    return []
                # Woken by the next item, or when the oldest one has waited long enough.
                self._changed.wait(self._queue[0].since_s + self._max_wait_s - time.monotonic() if self._queue else None)
            batch = [self._queue.popleft() for _ in range(min(self._max_batch, len(self._queue)))]
            if self._queue:
                self._changed.notify()
            return batch

    def _is_ready(self) -> bool:
        if not self._queue:
            return False
        waited_s = time.monotonic() - self._queue[0].since_s
        return self._closed or len(self._queue) >= self._max_batch or waited_s >= self._max_wait_s

    def _answer(self, batch: list[_Waiting[T, R]]) -> None:
        try:
            results = self._run([waiting.item for waiting in batch])
            assert len(results) == len(batch), f"{len(batch)} items gave {len(results)} results"
        except Exception as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for waiting in batch:
                self._answer([waiting])
            return
        for waiting, result in zip(batch, results, strict=True):
            waiting.answer.set_result(result)
