"""Composes the ASGI application: the routers of `serve` around one `Service`.

The models are loaded in the background, so liveness answers at once and readiness as soon as pictures can be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from pellucid.base.errors import (
    AnalysisFailed,
    AppealOpen,
    BadPolicy,
    BadRequest,
    ConfigError,
    Deleted,
    InvalidParameter,
    NotAnswered,
    NotFound,
    NothingRestricted,
)
from pellucid.base.settings import PREFIX, Settings, shipped
from pellucid.feedback import policies, queue, routes, statements, transparency
from pellucid.feedback.desk import Desk
from pellucid.records.actor import Scope
from pellucid.records.recourse import load_recourse
from pellucid.serve import analyses, health, keys, models, openapi, problems
from pellucid.serve.access import require
from pellucid.serve.engine import Analyser, Engine
from pellucid.serve.metrics import CountRequests, Metrics, package_version
from pellucid.serve.models import describe
from pellucid.serve.problems import documented
from pellucid.serve.rates import RateHeaders
from pellucid.serve.service import Service
from pellucid.store.keys import any_key_made
from pellucid.store.store import Store

if TYPE_CHECKING:
    from pellucid.analyse.described import Describer

RECOURSE_ERRORS = (
    NotFound, Deleted, NothingRestricted, NotAnswered, AnalysisFailed, AppealOpen, BadRequest, InvalidParameter,
    BadPolicy,
)  # fmt: skip


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
    for part in (openapi, analyses, models, keys, health):
        app.include_router(part.router)
    _add_recourse(app)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(RateHeaders)
    app.add_middleware(CountRequests, metrics=metrics)
    return app


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
            app.include_router(router, dependencies=[require(scope)], responses=documented(*RECOURSE_ERRORS))


def open_desk(settings: Settings, store: Store) -> Desk:
    """What recourse works with. Raises `ConfigError` where its policy is wrong."""
    from pellucid.analyse.moderation import load_policy

    return Desk(store, load_recourse(settings.recourse_policy), lambda: load_policy(settings.policy))


def open_store(settings: Settings) -> Store:
    """Where the settings say, its tables brought to this version. Raises `ConfigError`."""
    return Store.open(settings.data_dir, settings.database_url, settings.objects_url)


def check_exposure(settings: Settings) -> None:
    """Raises `ConfigError` where others can reach the service and there is no key to ask them for."""
    if settings.on_loopback or settings.api_keys:
        return
    store = open_store(settings)
    try:
        asked = any_key_made(store.database)
    finally:
        store.close()
    if not asked:
        raise ConfigError(
            f"{PREFIX}HOST is {settings.host}, which others can reach, and there are no API keys; allowed without keys is "
            f"loopback (127.0.0.1); make one with `pellucid keys create`, or set {PREFIX}API_KEYS"
        )


def open_engine(settings: Settings, observe: Callable[[int, float], None] | None = None) -> Engine:
    """The bundle and the policy of the settings, loaded. Raises `BundleError` or `ConfigError`."""
    # Imported here, in the thread that loads, so that the socket answers sooner.
    from pellucid.analyse.analyser import Analyser, AnalyserSettings
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.moderation import load_policy
    from pellucid.runtime.bundle import LoadedBundle

    folder = settings.bundle or shipped("bundle")
    bundle = LoadedBundle.open(folder, settings.model_threads)
    # A site's own policy may only ask for tags that this bundle has; the shipped one leaves rules idle where they lack.
    policy = load_policy(
        settings.policy, {tag.name for tag in bundle.tag_set.tags} if settings.policy and bundle.tag_set else None
    )
    how = AnalyserSettings(settings.limits, settings.captions, max_batch=settings.max_batch, batch_wait_ms=settings.batch_wait_ms)
    describer = open_describer(settings) if settings.describer_url else None
    analyser = Analyser(bundle, policy, how, observe, Credentials(settings.trust_list or shipped("trust")))
    models = (describe(bundle.head, bundle.thresholds, bundle.domains, how.channel),)
    if describer is None:
        return Engine(analyser, models, analyser.heatmap, analyser.close)
    from pellucid.analyse.described import DescribedAnalyser

    both = DescribedAnalyser(analyser, describer, settings.threads)
    return Engine(both, models, analyser.heatmap, both.close)


def open_describer(settings: Settings) -> Describer:
    """The describer of the settings; it is not asked yet. Raises `ConfigError` where none is set or its prompts are wrong."""
    from pellucid.analyse.described import Describer
    from pellucid.records.prompt import load_prompt
    from pellucid.runtime.chat import ChatEndpoint

    endpoint = ChatEndpoint.of(settings)
    prompts = tuple(load_prompt(reference) for reference in settings.describer_prompts)
    if not prompts or len({prompt.part for prompt in prompts}) < len(prompts):
        raise ConfigError("PELLUCID_DESCRIBER_PROMPTS names two prompts for one part, or none; name one for each part")
    return Describer(settings.describer_model, endpoint, prompts, settings.describer_timeout_s, settings.describer_max_side)


def _opener(settings: Settings, metrics: Metrics, analyser: Analyser | Engine | None) -> Callable[[], Engine]:
    if analyser is None:
        return lambda: open_engine(settings, lambda size, _: metrics.batch_size.observe(size))
    engine = analyser if isinstance(analyser, Engine) else Engine(analyser)
    return lambda: engine


def _lifespan(
    settings: Settings, metrics: Metrics, opener: Callable[[], Engine]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await asyncio.to_thread(open_store, settings)
        desk = app.state.desk = open_desk(settings, store)
        service = app.state.service = Service(settings, store, metrics, desk.finish)
        loading = asyncio.create_task(service.load(opener))
        try:
            yield
        finally:
            await loading
            await asyncio.to_thread(service.close)

    return lifespan
