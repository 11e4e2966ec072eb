"""What one process holds while it serves: settings, store, figures, the models once loaded, and the threads that work."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from pellucid.base.errors import AnalysisTooSlow, Busy, PellucidError, Starting, error_of
from pellucid.base.pixels import Decode, check, decode
from pellucid.base.settings import Settings
from pellucid.records.report import Report
from pellucid.serve.answering import Answering, Finish
from pellucid.serve.body import OpenBytes, Upload
from pellucid.serve.engine import Engine
from pellucid.serve.fetch import Fetcher
from pellucid.serve.known import KnownPictures, StoredHashes
from pellucid.serve.metrics import Metrics
from pellucid.serve.work import Work
from pellucid.store.analyses import answered
from pellucid.store.idempotency import Key
from pellucid.store.queue import ANALYSE
from pellucid.store.search import Search
from pellucid.store.store import Accepted, Incoming, Store

LOOK_AGAIN_S = 0.1
UNKNOWN = "a mistake of ours; the log says which"

T = TypeVar("T")
log = logging.getLogger(__name__)


class Service:
    """Made by `app.py`, found by routes through `Held`."""

    def __init__(
        self, settings: Settings, store: Store, metrics: Metrics, finish: Finish = lambda report, _: report,
        decode: Decode = decode,
    ) -> None:  # fmt: skip
        """`finish` has the last word on a report before it is kept: whether a ruling holds for the picture."""
        self.settings = settings
        self.store = store
        self.search = Search(store.database)
        self.metrics = metrics
        self.open_bytes = OpenBytes(settings.max_open_bytes)
        self.decode = decode
        self.known = KnownPictures(store, decode)
        self.hashes = StoredHashes(store)
        self.fetcher = Fetcher(settings)
        self.work = Work(settings.threads, settings.queue_limit, settings.analysis_timeout_s, metrics)
        self.answering = Answering(
            store, metrics, settings.limits, settings.job_attempts, settings.webhook_url is not None, finish
        )
        self.failure: str | None = None
        self.changed = asyncio.Event()
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

    def room(self, data: bytes) -> AbstractContextManager[None]:
        """To be held while the picture in `data` is open. Before the models are loaded there is all the room of the process."""
        return self._engine.room(data) if self._engine is not None else nullcontext()

    async def loaded(self) -> Engine:
        """The models; waits for them while they are being loaded. Raises `Starting` where they do not come."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), self.settings.analysis_timeout_s)
        return self.engine

    async def load(self, open_engine: Callable[[], Engine]) -> None:
        """Load in a thread; a failure is kept and shown by the health checks."""
        try:
            self._engine = await asyncio.to_thread(lambda: self.known.before(open_engine(), self.settings))
            self.metrics.ready.set(1)
            log.info("the models are loaded")
        except Exception as error:
            # Health is asked without a key: what a library says of this machine stands in the log alone.
            self.failure = f"{error.code}: {error.detail}" if isinstance(error, PellucidError) else UNKNOWN
            log.exception("the models could not be loaded")
        finally:
            self._settled.set()

    async def analyse(self, upload: Upload, key: Key | None = None) -> Report:
        """Accepted, analysed and stored; what comes back is what `Store.get` will give."""
        engine = await self.loaded()
        picture = Incoming(upload.data, upload.source, upload.declared)
        left = threading.Event()
        try:
            analysis_id, report = await self.work.do(lambda: self.answering.now(engine, picture, key, left))
        finally:
            left.set()
        return report or await self.report_of(analysis_id)

    async def accept(self, upload: Upload, key: Key | None = None) -> Accepted:
        """Stored, and in the queue; answered by whoever takes it. Raises `Busy` where too many wait already."""

        def take_in() -> Accepted:
            check(upload.data, self.settings.limits)
            limit = self.settings.backlog_limit
            if self.store.queue.waiting(ANALYSE, limit) >= limit:
                raise Busy(f"{limit} pictures are in the queue, which is the most allowed; try again")
            return self.store.accept(Incoming(upload.data, upload.source, upload.declared), key)

        accepted = await self.read(take_in)
        self.wake()
        return accepted

    async def report_of(self, analysis_id: str) -> Report:
        """Of a picture that another request or worker answers: waits for it, and raises what it ended with."""
        until = time.monotonic() + self.settings.analysis_timeout_s
        while time.monotonic() < until:
            standing = await self.read(lambda: self.store.standing(analysis_id))
            if standing.problem is not None:
                raise error_of(standing.problem.code, standing.problem.detail)
            if standing.state != "accepted":
                return answered(standing)
            await asyncio.sleep(LOOK_AGAIN_S)
        raise AnalysisTooSlow(f"the analysis {analysis_id} is not answered yet; ask for it at /v1/analyses/{analysis_id}")

    def wake(self) -> None:
        """There may be something to do: whoever waits for `changed` looks at once. Called on the event loop only."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def read(self, question: Callable[[], T]) -> T:
        """Ask the store, off the event loop."""
        return await asyncio.to_thread(question)

    def close(self) -> None:
        self.fetcher.close()
        self.work.close()
        # What was taken and not begun others may take now, and not when the leases end.
        self.store.queue.give_up()
        self.store.outbox.give_up()
        if self._engine is not None:
            self._engine.close()
        self.store.close()


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Held = Annotated[Service, Depends(_service)]
