"""The fence: what strangers sent is parsed by worker processes, so that a parser that crashes or hangs takes nobody along.

    run(task) ─ a free worker, or a new one ─ asks it ─┬ answered ──────────── what `take` makes of the answer
                                                       ├ crashed ─ once more, in a new worker ─ `DecoderCrashed`
                                                       └ late ──── killed ───────────────────── `DecoderTooSlow`

A worker is believed in nothing: `take` checks what it says, and what cannot be is a crash. It is a fence against crashes, hangs
and hunger for memory; a worker is still a process of the same user (docs/adr/0019-fence.md).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pellucid.base.errors import DecoderCrashed, DecoderTooSlow, InputError, SigningFailed, error_of
from pellucid.base.fence_nursery import SHARED_BYTES, Nursery, Shared, Tell, Worker

T = TypeVar("T")
# What the answer's fields and bytes make. Raises `ValueError`, `KeyError` or `TypeError` for what cannot be.
Take = Callable[[dict[str, Any], memoryview], T]
MOST_DETAIL, MOST_FAULT = 500, 4000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """How many workers at most; the memory of each, in bytes; how long a task may take; after how many tasks one is replaced.

    Their memory creeps: over a thousand damaged files a worker grew by some 30 MiB. A new one costs 2 ms.
    """

    workers: int = 8
    most_bytes: int = 1536 << 20
    timeout_s: float = 20.0
    most_tasks: int = 1000


@dataclass(frozen=True)
class Task:
    """`answer_bytes` is how much its bulky answer may hold; `tell` answers what the worker asks meanwhile."""

    name: str
    data: bytes = b""
    fields: dict[str, Any] = field(default_factory=dict)
    answer_bytes: int = 0
    timeout_s: float | None = None
    tell: Tell | None = None


class _Crashed(Exception):
    """A worker died, or said what cannot be."""


class Fence:
    """Workers are started as they are needed, and stay. Safe to use from several threads."""

    def __init__(self, tasks: str, bounds: Bounds | None = None, observe: Callable[[str], object] = lambda _: None) -> None:
        """`tasks` is the name of a module with TASKS; `observe` is told `crashed` or `late` for every worker lost."""
        self.bounds = bounds or Bounds()
        self._observe = observe
        self._nursery = Nursery(tasks, self.bounds.most_bytes)
        self._places = threading.BoundedSemaphore(self.bounds.workers)
        self._idle: list[Worker] = []
        self._closed = False

    def start(self) -> None:
        """So that the first picture need not wait for it."""
        self._nursery.start()

    def run(self, task: Task, take: Take[T]) -> T:
        """Raises `DecoderCrashed`, `DecoderTooSlow`, `Unavailable`, or the `InputError` or `SigningFailed` of the task itself."""
        with self._places:
            for worker_of in (self._any_worker, self._new_worker):
                worker = worker_of()
                try:
                    failure, made = self._asked(worker, task, take)
                except _Crashed:
                    continue
                if failure is not None:
                    raise failure
                return cast("T", made)
            raise DecoderCrashed(f"its reader crashed twice over the file ({task.name}); save the picture anew and send that")

    def close(self) -> None:
        """Ends all workers, also those that are at work."""
        self._closed = True
        self._nursery.close()
        while self._idle:
            self._idle.pop().close()

    def _any_worker(self) -> Worker:
        with suppress(IndexError):
            return self._idle.pop()
        return self._nursery.fork()

    def _new_worker(self) -> Worker:
        """Those that wait may have been ended as well, by whoever needed the memory."""
        with suppress(IndexError):
            self._nursery.bury(self._idle.pop())
        return self._nursery.fork()

    def _asked(self, worker: Worker, task: Task, take: Take[T]) -> tuple[Exception | None, T | None]:
        """(what the task raised, what it gave). Whatever goes wrong otherwise, the worker is gone."""
        limit_s = task.timeout_s or self.bounds.timeout_s
        sound = False
        try:
            with _memory(worker, task.answer_bytes) as (shared, files):
                fields = {**task.fields, "task": task.name}
                said = worker.exchange(fields, task.data, files, time.monotonic() + limit_s, task.tell).fields
                if (failure := _failure(said)) is not None:
                    answer: tuple[Exception | None, T | None] = (failure, None)
                else:
                    with shared.reading() as view:
                        answer = (None, take(said, view))
            worker.tasks += 1
            sound = worker.tasks < self.bounds.most_tasks
            return answer
        except TimeoutError as error:
            self._lost("late", task, f"killed after {limit_s:g} s")
            allowed = f"was not read in {limit_s:g} s, which is the time allowed ({task.name})"
            raise DecoderTooSlow(f"the file {allowed}; save the picture anew and send that") from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            status = self._nursery.bury(worker)
            self._lost("crashed", task, f"{error!r}, exit status {status}")
            raise _Crashed from error
        finally:
            if sound and not self._closed:
                self._idle.append(worker)
            else:
                self._nursery.bury(worker)

    def _lost(self, how: str, task: Task, why: str) -> None:
        if not self._closed:
            self._observe(how)
            name = hashlib.sha256(task.data).hexdigest()
            log.warning(
                "lost a worker at the task %s of %d bytes, sha256 %s: %s", task.name, len(task.data), name, why[:MOST_DETAIL]
            )


@contextmanager
def _memory(worker: Worker, size: int) -> Iterator[tuple[Shared, tuple[int, ...]]]:
    """The worker's own memory, or more for this once, with the file that it is sent for it."""
    if size <= SHARED_BYTES:
        yield worker.shared, ()
        return
    with closing(Shared(size)) as larger:
        yield larger, (larger.file,)


def _failure(said: dict[str, Any]) -> Exception | None:
    """What the task raised. Raises `ValueError` where it says that it raised what no task may."""
    if "fault" in said:
        return RuntimeError(f"a task failed in its worker: {str(said['fault'])[:MOST_FAULT]}")
    if "error" not in said:
        return None
    error = error_of(str(said["error"]), str(said["detail"])[:MOST_DETAIL])
    if not isinstance(error, InputError | SigningFailed):
        raise ValueError(f"a worker says {said['error']!r}")
    return error
