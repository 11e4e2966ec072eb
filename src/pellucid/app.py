"""Composes the ASGI application: the routers of `serve` around one `Service`.

The models are loaded in the background, so liveness answers at once and readiness as soon as pictures can be answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from pellucid.base.settings import Settings
from pellucid.serve import analyses, health, models, openapi, problems
from pellucid.serve.engine import Analyser, Engine
from pellucid.serve.metrics import CountRequests, Metrics, package_version
from pellucid.serve.service import Service
from pellucid.store.store import Store

log = logging.getLogger(__name__)


def create_app(settings: Settings, analyser: Analyser | Engine | None = None) -> FastAPI:
    """The application. The bundle of the settings is loaded at its start where no `analyser` is given."""
    metrics = Metrics()
    app = FastAPI(
        title="Pellucid",
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=_lifespan(settings, metrics, _opener(settings, metrics, analyser)),
    )
    for part in (openapi, analyses, models, health):
        app.include_router(part.router)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(CountRequests, metrics=metrics)
    return app


def open_engine(settings: Settings, on_batch: Callable[[int], object] = lambda size: None) -> Engine:
    raise NotImplementedError


def _opener(settings: Settings, metrics: Metrics, analyser: Analyser | Engine | None) -> Callable[[], Engine]:
    if analyser is None:
        return lambda: open_engine(settings, metrics.batch_size.observe)
    engine = analyser if isinstance(analyser, Engine) else Engine(analyser)
    return lambda: engine


def _lifespan(
    settings: Settings, metrics: Metrics, opener: Callable[[], Engine]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = app.state.service = Service(settings, Store.open(settings.data_dir), metrics)
        loading = asyncio.create_task(service.load(opener))
        try:
            yield
        finally:
            await loading
            await asyncio.to_thread(service.close)

    return lifespan
