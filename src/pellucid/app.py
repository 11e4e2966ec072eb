"""Composes the ASGI application: the routers of `serve`, `feedback` and the console around one `Service`.

The models are loaded in the background, so liveness answers at once and readiness as soon as pictures can be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from pellucid.app_engine import open_deriver, open_engine
from pellucid.base.errors import ConfigError
from pellucid.base.pixels import Decode
from pellucid.base.settings import PREFIX, Settings
from pellucid.console import home
from pellucid.console.headers import ConsoleHeaders
from pellucid.console.office import Office
from pellucid.console.provider import Provider
from pellucid.console.routes import ROUTERS
from pellucid.feedback import copies, policies, queue, routes, statements, transparency
from pellucid.feedback.desk import ERRORS, Desk
from pellucid.records.actor import Scope
from pellucid.records.reasons import load_reasons
from pellucid.records.recourse import load_recourse
from pellucid.records.retention import load_retention
from pellucid.serve import analyses, banks, derivatives, duplicates, health, keys, models, openapi, problems, search, webhooks
from pellucid.serve.access import require
from pellucid.serve.answer_headers import AnswerHeaders
from pellucid.serve.engine import Analyser, Engine
from pellucid.serve.framing import OneLength
from pellucid.serve.metrics import CountRequests, Metrics, package_version
from pellucid.serve.origin import OwnSite
from pellucid.serve.problems import documented
from pellucid.serve.rates import RateHeaders
from pellucid.serve.service import Service
from pellucid.serve.webhook_sending import Receiver
from pellucid.serve.worker import Worker
from pellucid.store.accounts import is_anyone_known
from pellucid.store.store import Store

if TYPE_CHECKING:
    from pellucid.analyse.reading import SiteReader


def create_app(settings: Settings, analyser: Analyser | Engine | None = None, reader: SiteReader | None = None) -> FastAPI:
    """The application. What is not given is opened at its start, as the settings say. Raises `ConfigError`."""
    metrics = Metrics()
    app = FastAPI(
        title="Pellucid",
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # Such a redirect would name whatever host the request did.
        redirect_slashes=False,
        lifespan=_lifespan(settings, metrics, _opener(settings, metrics, analyser), _worker_of(settings), reader),
    )
    app.include_router(health.router)
    if settings.role in ("all", "api"):
        _add_api(app)
    if settings.role in ("all", "console"):
        _add_console(app, settings)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(OwnSite, settings=settings)
    app.add_middleware(RateHeaders)
    app.state.body_timeout_s = settings.body_timeout_s
    app.add_middleware(OneLength)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(ConsoleHeaders)
    app.add_middleware(CountRequests, metrics=metrics)
    return app


def _add_api(app: FastAPI) -> None:
    for part in (openapi, analyses, duplicates, banks, derivatives, search, models, keys, webhooks):
        app.include_router(part.router)
    _add_recourse(app)


def _add_console(app: FastAPI, settings: Settings) -> None:
    app.state.office = Office(reasons=load_reasons(settings.reasons), provider=Provider.of(settings))
    for router in (*ROUTERS, *((home.router,) if settings.role == "console" else ())):
        app.include_router(router)


def _add_recourse(app: FastAPI) -> None:
    """The routers of `feedback`, each behind its scope, with the errors that they may give."""
    scopes: dict[Scope, tuple[APIRouter, ...]] = {
        "flag": (routes.flagging,),
        "appeal": (routes.appealing,),
        "read": (routes.reading, statements.of_analysis, statements.router, transparency.router),
        "moderate": (routes.ruling, queue.router, policies.router),
    }
    for scope, routers in scopes.items():
        for router in routers:
            app.include_router(router, dependencies=[require(scope)], responses=documented(*ERRORS))


def open_desk(settings: Settings, store: Store, room: Callable[[bytes], AbstractContextManager[None]], decode: Decode) -> Desk:
    """What recourse works with. Raises `ConfigError` where its policy is wrong."""
    from pellucid.analyse.moderation import load_policy

    recourse, tells = load_recourse(settings.recourse_policy), settings.webhook_url is not None
    return Desk(store, recourse, lambda: load_policy(settings.policy), settings.limits, room, tells, decode)


def open_store(settings: Settings) -> Store:
    """Where the settings say, its tables brought to this version. Raises `ConfigError`."""
    return Store.open(settings.data_dir, settings.database_url, settings.objects_url, settings.lease_s)


def check_exposure(settings: Settings) -> None:
    """Raises `ConfigError` where others can reach the service and there is no key to ask them for."""
    if settings.on_loopback or settings.api_keys or settings.oidc_issuer:
        return
    store = open_store(settings)
    try:
        asked = is_anyone_known(store.database)
    finally:
        store.close()
    if not asked:
        raise ConfigError(
            f"{PREFIX}HOST is {settings.host}, which others can reach, and there are no API keys or accounts; allowed without "
            "is loopback (127.0.0.1); make one with "
            f"`pellucid keys create NAME --role administrator --data {settings.data_dir}`, or set {PREFIX}API_KEYS"
        )


def _opener(settings: Settings, metrics: Metrics, analyser: Analyser | Engine | None) -> Callable[[SiteReader], Engine]:
    def open_all(reader: SiteReader) -> Engine:
        if analyser is None:
            engine = open_engine(settings, lambda size, _: metrics.batch_size.observe(size), reader)
        else:
            engine = analyser if isinstance(analyser, Engine) else Engine(analyser)
        return replace(engine, derive=partial(reader.derive, open_deriver(settings, reader.credentials)))

    return open_all


def _worker_of(settings: Settings) -> Callable[[Service, Desk], Worker]:
    """What it reads is read now, so that a mistake is said before anything starts."""
    receiver = Receiver.of(settings)
    retention = load_retention(settings.retention) if settings.retention else None
    return lambda service, desk: Worker(service, settings, receiver, retention, partial(copies.search, desk))


def _lifespan(
    settings: Settings, metrics: Metrics, opener: Callable[[SiteReader], Engine], worker_of: Callable[[Service, Desk], Worker],
    reads: SiteReader | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:  # fmt: skip
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        from pellucid.analyse.fenced import open_reader

        store = await asyncio.to_thread(open_store, settings)
        reader = reads or open_reader(settings, metrics.count_lost)
        desk = app.state.desk = open_desk(settings, store, lambda data: app.state.service.room(data), reader.decode)
        service = app.state.service = Service(settings, store, metrics, desk.finish, reader.decode)
        worker = worker_of(service, desk)
        loading = asyncio.create_task(service.load(partial(opener, reader)))
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await loading
            await working
            await asyncio.to_thread(service.close)
            await asyncio.to_thread(reader.close)

    return lifespan
