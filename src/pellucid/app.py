"""Composes the ASGI application: the routers of `serve`, `feedback` and the console around one `Service`.

The models are loaded in the background, so liveness answers at once and readiness as soon as pictures can be answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from pellucid.base.errors import ConfigError, SigningFailed
from pellucid.base.settings import PREFIX, Settings, shipped
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
from pellucid.serve.models import describe
from pellucid.serve.origin import OwnSite
from pellucid.serve.problems import documented
from pellucid.serve.rates import RateHeaders
from pellucid.serve.service import Service
from pellucid.serve.webhook_sending import Receiver
from pellucid.serve.worker import Worker
from pellucid.store.accounts import is_anyone_known
from pellucid.store.store import Store

if TYPE_CHECKING:
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver
    from pellucid.analyse.described import Describer
    from pellucid.analyse.policy import Policy

SETUP_LETTERS = 16


def create_app(settings: Settings, analyser: Analyser | Engine | None = None) -> FastAPI:
    """The application. The bundle of the settings is loaded at its start where no `analyser` is given. Raises `ConfigError`."""
    metrics = Metrics()
    app = FastAPI(
        title="Pellucid",
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # Such a redirect would name whatever host the request did.
        redirect_slashes=False,
        lifespan=_lifespan(settings, metrics, _opener(settings, metrics, analyser), _worker_of(settings)),
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


def open_desk(settings: Settings, store: Store, room: Callable[[bytes], AbstractContextManager[None]]) -> Desk:
    """What recourse works with. Raises `ConfigError` where its policy is wrong."""
    from pellucid.analyse.moderation import load_policy

    recourse, tells = load_recourse(settings.recourse_policy), settings.webhook_url is not None
    return Desk(store, recourse, lambda: load_policy(settings.policy), settings.limits, room, tells)


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
            f"is loopback (127.0.0.1); make one with `pellucid keys create`, or set {PREFIX}API_KEYS"
        )


def open_engine(settings: Settings, observe: Callable[[int, float], None] | None = None) -> Engine:
    """The bundle and the policy of the settings, loaded. Raises `BundleError` or `ConfigError`."""
    # Imported here, in the thread that loads, so that the socket answers sooner.
    from pellucid.analyse.analyser import Analyser, AnalyserSettings
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.described import DescribedAnalyser
    from pellucid.analyse.moderation import load_policy
    from pellucid.runtime.bundle import LoadedBundle

    folder = settings.bundle or shipped("bundle")
    bundle = LoadedBundle.open(folder, settings.model_threads)
    # A site's own policy may only ask for tags that this bundle has; the shipped one leaves rules idle where they lack.
    policy = load_policy(
        settings.policy, {tag.name for tag in bundle.tag_set.tags} if settings.policy and bundle.tag_set else None
    )
    how = AnalyserSettings(
        settings.limits, settings.max_open_pixels, settings.captions, max_batch=settings.max_batch,
        batch_wait_ms=settings.batch_wait_ms,
    )  # fmt: skip
    describer = open_describer(settings) if settings.describer_url else None
    credentials = Credentials(settings.trust_list or shipped("trust"))
    analyser = Analyser(bundle, policy, how, observe, credentials)
    setup = partial(_setup, settings, bundle.head.label, policy, credentials, describer)
    models = (describe(bundle.head, bundle.thresholds, bundle.domains, how.channel),)
    served: Analyser | DescribedAnalyser = analyser
    if describer is not None:
        served = DescribedAnalyser(analyser, describer, settings.threads)
    return Engine(
        served, models, analyser.heatmap, bundle.head.label,
        close=served.close, room=analyser.room, setup=setup, embed=analyser.embedding,
    )  # fmt: skip


def _setup(settings: Settings, bundle: str, policy: Policy, credentials: Credentials, describer: Describer | None) -> str:
    """A hash of all that decides an answer beside the picture. The trust list may change while the service runs."""
    described = describer.label if describer else ""
    parts = [package_version(), bundle, policy.model_dump_json(), str(settings.captions), described, credentials.stamp]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:SETUP_LETTERS]


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


def open_deriver(settings: Settings) -> Deriver:
    """What makes derivatives; the signing key is tried out. Raises `ConfigError`."""
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver
    from pellucid.analyse.signer import Signer

    credentials = Credentials(settings.trust_list or shipped("trust"))
    if settings.signing_key is None or settings.signing_certificates is None:
        if settings.signing_key or settings.signing_certificates:
            raise ConfigError("PELLUCID_SIGNING_KEY and PELLUCID_SIGNING_CERTIFICATES belong together; set both or none")
        return Deriver(credentials, None, settings.limits, settings.propagator)
    signer = Signer.read(settings.signing_certificates, settings.signing_key, settings.signing_timestamps)
    try:
        replace(signer, timestamps=None).try_out(credentials.context())
    except SigningFailed as error:
        raise ConfigError(f"the key of PELLUCID_SIGNING_KEY cannot sign: {error.detail}") from error
    return Deriver(credentials, signer, settings.limits, settings.propagator)


def _opener(settings: Settings, metrics: Metrics, analyser: Analyser | Engine | None) -> Callable[[], Engine]:
    def open_all() -> Engine:
        if analyser is None:
            engine = open_engine(settings, lambda size, _: metrics.batch_size.observe(size))
        else:
            engine = analyser if isinstance(analyser, Engine) else Engine(analyser)
        return replace(engine, derive=open_deriver(settings).derive)

    return open_all


def _worker_of(settings: Settings) -> Callable[[Service, Desk], Worker]:
    """What it reads is read now, so that a mistake is said before anything starts."""
    receiver = Receiver.of(settings)
    retention = load_retention(settings.retention) if settings.retention else None
    return lambda service, desk: Worker(service, settings, receiver, retention, partial(copies.search, desk))


def _lifespan(
    settings: Settings, metrics: Metrics, opener: Callable[[], Engine], worker_of: Callable[[Service, Desk], Worker]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await asyncio.to_thread(open_store, settings)
        desk = app.state.desk = open_desk(settings, store, lambda data: app.state.service.room(data))
        service = app.state.service = Service(settings, store, metrics, desk.finish)
        worker = worker_of(service, desk)
        loading = asyncio.create_task(service.load(opener))
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await loading
            await working
            await asyncio.to_thread(service.close)

    return lifespan
