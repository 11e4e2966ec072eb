"""Who may ask: a key of the settings as a bearer token. Where no keys are set nobody is asked, and the service is on loopback."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pellucid.base.errors import Unauthorized
from pellucid.serve.service import Held

BEARER = HTTPBearer(
    auto_error=False, scheme_name="api-key", description="A key of `PELLUCID_API_KEYS`; not needed where none are set"
)


async def require_key(
    request: Request, service: Held, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> None:
    """Raises `Unauthorized`. Who was let in stands in `request.state.actor`, for what keeps a name."""
    request.state.actor = "local"
    keys = service.settings.api_keys
    if not keys:
        return
    if given is None:
        raise Unauthorized("no API key was sent; send it as `Authorization: Bearer KEY`")
    # Every key is compared, each in constant time, so that timing says nothing of any.
    matches = [hmac.compare_digest(given.credentials.encode(), key.encode()) for key in keys]
    if True not in matches:
        raise Unauthorized("the API key is not one of this service's")
    request.state.actor = f"key {matches.index(True) + 1}"
