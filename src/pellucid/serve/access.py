"""Who may ask what: every route under `/v1` names one scope with `require`, and gets the `Actor` that asks.

| who asks | is let in as |
|---|---|
| with a key of PELLUCID_API_KEYS | `bootstrap`, with every scope |
| with a key of the database that is active and has requests left | its own name and scopes |
| anyone on loopback, without any key, account or OpenID provider | `local`, with every scope |
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy import Engine

from pellucid.base.errors import Forbidden, RateLimited, Unauthorized
from pellucid.base.settings import Settings
from pellucid.records.actor import BOOTSTRAP, LOCAL, Actor, Scope
from pellucid.records.key import parse
from pellucid.serve.service import Held
from pellucid.store.accounts import is_anyone_known
from pellucid.store.keys import UNKNOWN, Admission, admit

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="api-key",
    description="`Authorization: Bearer pel_…`, a key with the scope that the call names; not needed where none was ever made",
)


def require(scope: Scope) -> Any:
    """For `dependencies=[require("read")]`, or `actor: Annotated[Actor, require("moderate")]` where it matters who asks."""
    return Security(admitted, scopes=[scope])


async def admitted(
    needed: SecurityScopes,
    request: Request,
    service: Held,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> Actor:
    """Raises `Unauthorized`, `RateLimited` or `Forbidden`."""
    sent = given.credentials if given else None
    admission = await service.read(lambda: enter(service.settings, service.store.database, sent, datetime.now(UTC)))
    request.state.allowance = left = admission.allowance
    if left is not None and left.refused:
        raise RateLimited(f"the key may ask {left.per_minute} times a minute; come again in {left.reset_s} s", left.reset_s)
    for scope in needed.scopes:
        if scope not in admission.actor.scopes:
            raise Forbidden(f"the key of {admission.actor.name} lacks the scope `{scope}`; ask for a key that has it")
    request.state.actor = admission.actor.name
    return admission.actor


def enter(settings: Settings, engine: Engine, sent: str | None, at: datetime) -> Admission:
    """Raises `Unauthorized`."""
    try:
        return _known(settings, engine, sent, at)
    except Unauthorized:
        if is_open(settings, engine):
            return Admission(LOCAL)
        raise


def is_open(settings: Settings, engine: Engine) -> bool:
    """Is nobody asked for a key?"""
    return settings.on_loopback and not settings.api_keys and not settings.oidc_issuer and not is_anyone_known(engine)


def _known(settings: Settings, engine: Engine, sent: str | None, at: datetime) -> Admission:
    if sent is None:
        raise Unauthorized("no API key was sent; send it as `Authorization: Bearer KEY`")
    # Every key is compared, each in constant time, so that timing says nothing of any.
    matches = [hmac.compare_digest(sent.encode(), key.encode()) for key in settings.api_keys]
    if True in matches:
        return Admission(BOOTSTRAP.model_copy(update={"key": f"{BOOTSTRAP.name}-{matches.index(True) + 1}"}))
    if (key := parse(sent)) is None:
        raise Unauthorized(UNKNOWN)
    return admit(engine, key, at)
