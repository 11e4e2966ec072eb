"""What an OpenID provider publishes, and the exchange of a code: three small HTTP requests, with one time and size for each.

Redirects and proxies of the environment are not followed. Every address the provider names must be https, or on loopback as it is
itself. Nothing of an answer is logged: it may hold tokens.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpcore2
from pydantic import BaseModel, Field, ValidationError

from pellucid.base.errors import ProviderFailed, SignInFailed
from pellucid.base.settings import is_loopback

WELL_KNOWN = "/.well-known/openid-configuration"
TIMEOUT_S = 10.0
MAX_BYTES = 1 << 20
Headers = dict[bytes | str, bytes | str]
ACCEPT: Headers = {"Accept": "application/json", "User-Agent": "pellucid"}
KEPT_S = 3600.0
# Who sends tokens with keys that there are not must not make us ask the provider each time.
ANEW_EVERY_S = 60.0
T = TypeVar("T", bound=BaseModel)
_FAILURES = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, TimeoutError, OSError)


class Discovery(BaseModel):
    """The fields that are read (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    says_issuer: bool = Field(False, alias="authorization_response_iss_parameter_supported")


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


class _Tokens(BaseModel):
    id_token: str


class Documents:
    """Read when first needed and kept for an hour."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._lock = asyncio.Lock()
        self._discovery: Discovery | None = None
        self._keys: list[dict[str, Any]] = []
        self._discovery_read = self._keys_read = float("-inf")

    async def discovery(self) -> Discovery:
        """Raises `ProviderFailed`."""
        async with self._lock:
            if self._discovery is None or time.monotonic() - self._discovery_read > KEPT_S:
                self._discovery = await self._discover()
                self._discovery_read = time.monotonic()
            return self._discovery

    async def keys(self, anew: bool = False) -> list[dict[str, Any]]:
        """The published keys, `anew` where one is missing. Raises `ProviderFailed`."""
        discovery = await self.discovery()
        async with self._lock:
            if time.monotonic() - self._keys_read > (ANEW_EVERY_S if anew else KEPT_S):
                status, content = await self._ask("GET", discovery.jwks_uri)
                self._keys = _read(_Keys, status, content).keys
                self._keys_read = time.monotonic()
            return self._keys

    async def exchange(self, form: Mapping[str, str], basic: tuple[str, str] | None) -> str:
        """The ID token for a code. Raises `SignInFailed` where the provider takes it for no good, or `ProviderFailed`."""
        headers: Headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(':'.join(basic).encode()).decode()}"
        status, content = await self._ask("POST", (await self.discovery()).token_endpoint, headers, urlencode(form).encode())
        if status == 400:
            raise SignInFailed("the provider did not take the code back; begin again")
        return _read(_Tokens, status, content).id_token

    async def _discover(self) -> Discovery:
        status, content = await self._ask("GET", self._issuer.rstrip("/") + WELL_KNOWN)
        found = _read(Discovery, status, content)
        if found.issuer != self._issuer:
            raise ProviderFailed(f"the OpenID provider calls itself {found.issuer[:200]!r}; PELLUCID_OIDC_ISSUER says otherwise")
        for address in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            self._check(address)
        return found

    def _check(self, address: str) -> None:
        parts, own = urlsplit(address), urlsplit(self._issuer)
        local = own.scheme == "http" and is_loopback(own.hostname or "") and is_loopback(parts.hostname or "")
        if not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise ProviderFailed("the OpenID provider names an address that is not https")

    async def _ask(self, method: str, url: str, headers: Headers | None = None, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpcore2.AsyncConnectionPool(ssl.create_default_context(), max_connections=1) as pool,
                pool.stream(method, url, headers={**ACCEPT, **(headers or {})}, content=body) as answer,
            ):
                pieces, count = [], 0
                async for piece in answer.aiter_stream():
                    count += len(piece)
                    if count > MAX_BYTES:
                        raise ProviderFailed(f"the OpenID provider sends more than {MAX_BYTES} bytes")
                    pieces.append(piece)
                return answer.status, b"".join(pieces)
        except (*_FAILURES, httpcore2.UnsupportedProtocol) as error:
            raise ProviderFailed(f"the OpenID provider cannot be reached: {type(error).__name__}") from error


def _read(kind: type[T], status: int, content: bytes) -> T:
    if status != 200:
        raise ProviderFailed(f"the OpenID provider answered with status {status}")
    try:
        return kind.model_validate(json.loads(content))
    except (ValueError, ValidationError) as error:
        raise ProviderFailed(f"the OpenID provider sent no {kind.__name__.strip('_').lower()} document") from error
