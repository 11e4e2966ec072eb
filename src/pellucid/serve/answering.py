"""From an accepted picture to its kept report: the same for a request that waits and for a worker that took it from the queue.

    sent, waits    accept and take ─ analyse ─ keep report, job done
    taken later                take ─ analyse ─ keep report, job done, event

The two writes are transactions (store/store.py). Between them the process may die: the lease runs out, another takes the job up.
Whoever comes late with an answer is refused by the lease, so every accepted picture is answered once. What its sender has not
been told, since nobody waits any more, the site is told by webhook.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import GaveUp, InputError, NotFound, PellucidError
from pellucid.base.moments import stamp
from pellucid.base.pixels import Limits, check
from pellucid.records.event import answered_event, failed_event
from pellucid.records.report import Report
from pellucid.serve.engine import Engine
from pellucid.serve.metrics import Metrics
from pellucid.store.analyses import Problem
from pellucid.store.idempotency import Key
from pellucid.store.leases import LeaseLost
from pellucid.store.queue import Job
from pellucid.store.store import Incoming, Store

RETRY_S = 5.0
LONGEST_RETRY_S = 600.0

# A report and the bytes it is of → the report that is kept.
Finish = Callable[[Report, bytes], Report]
Embedding = NDArray[np.float32]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answering:
    """`attempts` is how often a job is begun before it is given up; `tells` whether the site has an address for events.

    `finish` has the last word on a report before it is kept: whether a ruling holds for the picture.
    """

    store: Store
    metrics: Metrics
    limits: Limits
    attempts: int
    tells: bool
    finish: Finish = lambda report, _: report

    def now(self, engine: Engine, picture: Incoming, key: Key | None, left: threading.Event) -> tuple[str, Report | None]:
        """The analysis of what was just sent, and its report; without one where it was sent before or another has taken it up.

        `left` is set once nobody waits any more. Raises whatever the analysis did, which then has ended as failed.
        """
        check(picture.data, self.limits)
        accepted = self.store.accept_and_take(picture, key)
        if accepted.job is None:
            return accepted.id, None
        try:
            report, embedding = self._analysed(engine, picture)
        except Exception as error:
            self._end(accepted.job, error, told=not left.is_set())
            raise
        return accepted.id, self._keep(accepted.job, report, embedding, told=not left.is_set())

    def taken(self, engine: Engine, job: Job) -> None:
        """Work a job from the queue to its end, or put it back. Raises nothing that the next try could mend."""
        if job.attempts > self.attempts:
            self._end(job, GaveUp(f"begun {job.attempts - 1} times and never answered"), told=False)
            return
        picture = self._picture(job)
        if picture is None:
            return
        try:
            report, embedding = self._analysed(engine, picture)
        except InputError as error:
            self._end(job, error, told=False)
        except Exception as error:
            self._retry(job, error)
        else:
            self._keep(job, report, embedding, told=False)

    def _picture(self, job: Job) -> Incoming | None:
        """What was sent; None where that has been dealt with. That the store does not answer is no fault of the picture's."""
        try:
            standing = self.store.standing(job.id)
            return Incoming(self.store.picture(job.id), standing.source, standing.declared)
        except NotFound as error:
            self._end(job, error, told=False)
        except Exception:
            log.exception("the picture of %s cannot be read now", job.id)
            self.store.queue.return_unused(job, RETRY_S)
        return None

    def _analysed(self, engine: Engine, picture: Incoming) -> tuple[Report, Embedding | None]:
        found = engine.analyser.analyse(picture.data, picture.source, picture.declared)  # type: ignore[arg-type]
        return self.finish(found.report, picture.data), found.embedding

    def _keep(self, job: Job, report: Report, embedding: Embedding | None, told: bool) -> Report | None:
        """The report under the id of the job; None where another was faster."""
        report = report.model_copy(update={"id": job.id, "created": stamp(job.created)})
        events = [] if told or not self.tells else [answered_event(report)]
        try:
            self.store.answer(job, report, embedding, events)
        except LeaseLost:
            self.metrics.jobs.labels("lost").inc()
            return None
        self.metrics.jobs.labels("answered").inc()
        self.metrics.count_report(report)
        return report

    def _end(self, job: Job, error: Exception, told: bool) -> None:
        """Failed for good, with the problem kept; bytes that turned out to be no picture are not."""
        problem = problem_of(error)
        events = [] if told or not self.tells else [failed_event(job.id, problem.code, problem.detail)]
        try:
            self.store.fail(job, problem, keep_picture=not isinstance(error, InputError), events=events)
        except LeaseLost:
            self.metrics.jobs.labels("lost").inc()
        else:
            self.metrics.jobs.labels("failed").inc()

    def _retry(self, job: Job, error: Exception) -> None:
        log.error("attempt %d at %s failed", job.attempts, job.id, exc_info=error)
        if job.attempts >= self.attempts:
            self._end(job, error, told=False)
            return
        self.store.queue.put_back(job, min(RETRY_S * 4 ** (job.attempts - 1), LONGEST_RETRY_S))
        self.metrics.jobs.labels("retried").inc()


def problem_of(error: Exception) -> Problem:
    """What is kept of it and shown. The cause of a mistake of ours goes to the log and not to the client."""
    known = error if isinstance(error, PellucidError) else PellucidError()
    return Problem(known.code, known.detail)
