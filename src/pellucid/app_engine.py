"""The engine that the settings describe: bundle, policy, trust list, describer and signing key, loaded or tried out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pellucid.base.errors import ConfigError, SigningFailed
from pellucid.base.settings import Settings, shipped
from pellucid.serve.engine import Engine
from pellucid.serve.metrics import package_version
from pellucid.serve.models import describe

if TYPE_CHECKING:
    from pellucid.analyse.analyser import Analyser
    from pellucid.analyse.credentials import Credentials
    from pellucid.analyse.derive import Deriver
    from pellucid.analyse.described import DescribedAnalyser, Describer
    from pellucid.analyse.policy import Policy
    from pellucid.analyse.reading import SiteReader

SETUP_LETTERS = 16


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
        batch_wait_ms=settings.batch_wait_ms, streams=settings.model_threads or len(os.sched_getaffinity(0)),
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
