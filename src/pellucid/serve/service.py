"""What one process holds while it serves: settings, store, figures, the models once loaded, and the threads that work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from pellucid.base.errors import PellucidError, Starting
from pellucid.base.pixels import check
from pellucid.base.settings import Settings
from pellucid.records.report import Report
from pellucid.serve.body import OpenBytes, Upload
from pellucid.serve.engine import Engine
from pellucid.serve.metrics import Metrics
from pellucid.serve.work import Work
from pellucid.store.analyses import Problem
from pellucid.store.store import Store

T = TypeVar("T")
# A report and the bytes it is of → the report that is kept.
Finish = Callable[[Report, bytes], Report]
log = logging.getLogger(__name__)


class Service:
    """Made by `app.py`, found by routes through `Held`."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics, finish: Finish = lambda report, _: report) -> None:
        """`finish` has the last word on a report before it is kept: whether a ruling holds for the picture."""
        self.settings = settings
        self.store = store
        self.metrics = metrics
        self.finish = finish
        self.open_bytes = OpenBytes(settings.max_open_bytes)
        self.work = Work(settings.threads, settings.queue_limit, settings.analysis_timeout_s, metrics)
        self.failure: str | None = None
        self._engine: Engine | None = None
        self._settled = asyncio.Event()

    @property
    def engine(self) -> Engine:
        """Raises `Starting` until the models are loaded."""
        if self.failure is not None:
            raise Starting(f"the models could not be loaded: {self.failure}")
        if self._engine is None:
            raise Starting("the models are still being loaded; try again in a second")
        return self._engine

    async def loaded(self) -> Engine:
        """The models; waits for them while they are being loaded. Raises `Starting` where they do not come."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), self.settings.analysis_timeout_s)
        return self.engine

    async def load(self, open_engine: Callable[[], Engine]) -> None:
        """Load in a thread; a failure is kept and shown by the health checks."""
        try:
            self._engine = await asyncio.to_thread(open_engine)
            self.metrics.ready.set(1)
            log.info("the models are loaded")
        except Exception as error:
            self.failure = f"{error.code}: {error.detail}" if isinstance(error, PellucidError) else repr(error)
            log.exception("the models could not be loaded")
        finally:
            self._settled.set()

    async def analyse(self, upload: Upload) -> Report:
        """Analysed and stored; what comes back is what `Store.get` will give."""
        engine = await self.loaded()

        def answer() -> Report:
            check(upload.data, self.settings.limits)
            job = self.store.accept_and_take(upload.data, upload.source, upload.declared)
            try:
                analysis = engine.analyser.analyse(upload.data, upload.source, upload.declared)
                report = self.finish(analysis.report, upload.data)
            except Exception as error:
                self.store.fail(job, problem_of(error))
                raise
            return self.store.answer(job, report, analysis.embedding)

        report = await self.work.do(answer)
        self.metrics.count_report(report)
        return report

    async def read(self, question: Callable[[], T]) -> T:
        """Ask the store, off the event loop."""
        return await asyncio.to_thread(question)

    def close(self) -> None:
        self.work.close()
        if self._engine is not None:
            self._engine.close()
        self.store.close()


def problem_of(error: Exception) -> Problem:
    """What is kept of it. The cause of a mistake of ours goes to the log and not to the client."""
    known = error if isinstance(error, PellucidError) else PellucidError()
    return Problem(known.code, known.detail)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Held = Annotated[Service, Depends(_service)]
