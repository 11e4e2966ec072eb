"""Composes the ASGI application: the routers of `serve` around one `Service`.

The models are loaded in the background, so liveness answers at once and readiness as soon as pictures can be answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from pellucid.base.errors import ConfigError, SigningFailed
from pellucid.base.settings import PREFIX, Settings, shipped
from pellucid.feedback import policies, queue, routes, statements, transparency
from pellucid.feedback.desk import ERRORS, Desk
from pellucid.records.actor import Scope
from pellucid.records.recourse import load_recourse
from pellucid.records.retention import load_retention
from pellucid.serve import analyses, banks, derivatives, duplicates, health, keys, models, openapi, problems, search, webhooks
from pellucid.serve.access import require
from pellucid.serve.engine import Analyser, Engine
from pellucid.serve.metrics import CountRequests, Metrics, package_version
from pellucid.serve.models import describe
from pellucid.serve.problems import documented
from pellucid.serve.rates import RateHeaders
from pellucid.serve.service import Service
from pellucid.serve.webhook_sending import Receiver
from pellucid.serve.worker import Worker
from pellucid.store.keys import any_key_made
from pellucid.store.store import Store

if TYPE_CHECKING:
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver
    from pellucid.analyse.described import Describer
    from pellucid.analyse.policy import Policy
    from pellucid.analyse.reading import SiteReader

SETUP_LETTERS = 16


def create_app(settings: Settings, analyser: Analyser | Engine | None = None, reader: SiteReader | None = None) -> FastAPI:
    """The application. What is not given is opened at its start, as the settings say. Raises `ConfigError`."""
    metrics = Metrics()
    app = FastAPI(
        title="Pellucid",
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=_lifespan(settings, metrics, _opener(settings, metrics, analyser), _worker_of(settings), reader),
    )
    parts = (openapi, analyses, duplicates, banks, derivatives, search, models, keys, webhooks, health)
    for part in (health,) if settings.role == "worker" else parts:
        app.include_router(part.router)
    if settings.role != "worker":
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
            app.include_router(router, dependencies=[require(scope)], responses=documented(*ERRORS))


def open_desk(settings: Settings, store: Store) -> Desk:
    """What recourse works with. Raises `ConfigError` where its policy is wrong."""
    from pellucid.analyse.moderation import load_policy

    return Desk(store, load_recourse(settings.recourse_policy), lambda: load_policy(settings.policy))


def open_store(settings: Settings) -> Store:
    """Where the settings say, its tables brought to this version. Raises `ConfigError`."""
    return Store.open(settings.data_dir, settings.database_url, settings.objects_url, settings.lease_s)


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


def open_engine(
    settings: Settings, observe: Callable[[int, float], None] | None = None, reader: SiteReader | None = None
) -> Engine:
    """The settings' bundle and policy, loaded; a reader of its own if none is given. Raises `BundleError` or `ConfigError`."""
    # Imported here, in the thread that loads, so that the socket answers sooner.
    from pellucid.analyse.analyser import Analyser, AnalyserSettings
    from pellucid.analyse.described import DescribedAnalyser
    from pellucid.analyse.fenced import open_reader
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
    reading = reader or open_reader(settings)
    reading.start()
    analyser = Analyser(bundle, policy, how, observe, reading, reading)
    setup = partial(_setup, settings, bundle.head.label, policy, reading.credentials, describer)
    models = (describe(bundle.head, bundle.thresholds, bundle.domains, how.channel),)
    served: Analyser | DescribedAnalyser = analyser
    if describer is not None:
        served = DescribedAnalyser(analyser, describer, settings.threads)

    def close() -> None:
        served.close()
        if reader is None:
            reading.close()

    return Engine(
        served, models, analyser.heatmap, bundle.head.label,
        close=close, room=analyser.room, setup=setup, embed=analyser.embedding,
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


def open_deriver(settings: Settings, credentials: Credentials | None = None) -> Deriver:
    """What makes derivatives; the signing key is tried out. Raises `ConfigError`."""
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver
    from pellucid.analyse.signer import Signer

    credentials = credentials or Credentials(settings.trust_list or shipped("trust"))
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


def _opener(settings: Settings, metrics: Metrics, analyser: Analyser | Engine | None) -> Callable[[SiteReader], Engine]:
    def open_all(reader: SiteReader) -> Engine:
        if analyser is None:
            engine = open_engine(settings, lambda size, _: metrics.batch_size.observe(size), reader)
        else:
            engine = analyser if isinstance(analyser, Engine) else Engine(analyser)
        return replace(engine, derive=partial(reader.derive, open_deriver(settings, reader.credentials)))

    return open_all


def _worker_of(settings: Settings) -> Callable[[Service], Worker]:
    """What it reads is read now, so that a mistake is said before anything starts."""
    receiver = Receiver.of(settings)
    retention = load_retention(settings.retention) if settings.retention else None
    return lambda service: Worker(service, settings, receiver, retention)


def _lifespan(
    settings: Settings, metrics: Metrics, opener: Callable[[SiteReader], Engine], worker_of: Callable[[Service], Worker],
    reads: SiteReader | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:  # fmt: skip
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await asyncio.to_thread(open_store, settings)
        from pellucid.analyse.fenced import open_reader

        reader = reads or open_reader(settings, metrics.count_lost)
        desk = app.state.desk = open_desk(settings, store)
        service = app.state.service = Service(settings, store, metrics, desk.finish, reader.decode)
        worker = worker_of(service)
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
