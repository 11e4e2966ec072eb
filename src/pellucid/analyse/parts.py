"""The parts of one answer: each runs beside the others, is timed, has its own limit, and may be missing with a reason.

A part that fails never takes the rest with it. A thread cannot be stopped: a part that is too late runs to its end unheard.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pellucid.base.errors import PellucidError
from pellucid.records.report import Missing

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Started(Generic[T]):
    """A part under way, here or elsewhere; its answer is a T or a `Missing`."""

    name: str
    answer: Future[Any]
    since_s: float


@dataclass
class Parts:
    """Of one picture. `limits_s` are seconds from a part's start, by its name."""

    pool: Executor
    limits_s: Mapping[str, float]
    missing: list[Missing] = field(default_factory=list)
    timing_ms: dict[str, float] = field(default_factory=dict)

    def here(self, name: str, work: Callable[[], T]) -> T:
        """Run in this thread, timed; what it raises is raised."""
        begun = time.perf_counter()
        result = work()
        self.timing_ms[name] = _ms_since(begun)
        return result

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """As `here`, but what it raises makes the part missing."""
        try:
            return self.here(name, work)
        except Exception as error:
            self.leave_out(name, self._why(name, error))
            return None

    def start(self, name: str, work: Callable[[], T | Missing], pool: Executor | None = None) -> Started[T]:
        """Run in the pool, or in one of its own where it could hang; the part may return a `Missing`."""
        return Started(name, (pool or self.pool).submit(lambda: self.here(name, work)), time.perf_counter())

    def finish(self, started: Started[T] | None) -> T | None:
        """The part's answer, or None with the reason among `missing`."""
        if started is None:
            return None
        try:
            result: T | Missing = started.answer.result(self._left_s(started))
        except Exception as error:
            started.answer.cancel()
            self.leave_out(started.name, self._why(started.name, error))
            return None
        finally:
            self.timing_ms.setdefault(started.name, _ms_since(started.since_s))
        if isinstance(result, Missing):
            self.missing.append(result)
            return None
        return result

    def leave_out(self, name: str, reason: str) -> None:
        self.missing.append(Missing(part=name, reason=reason, transient=True))

    def _left_s(self, started: Started[T]) -> float:
        return max(0.0, started.since_s + self.limits_s[started.name] - time.perf_counter())

    def _why(self, name: str, error: Exception) -> str:
        if isinstance(error, PellucidError):
            return error.detail
        if isinstance(error, TimeoutError):
            return f"took longer than the {self.limits_s[name]:g} s it is allowed"
        log.error("part %s failed", name, exc_info=error)
        return f"failed on our side ({type(error).__name__})"


def _ms_since(begun_s: float) -> float:
    return round((time.perf_counter() - begun_s) * 1000, 2)
