"""Which site made a browser ask: names that are ours, and requests that pages of other sites make.

A page of another site can make a browser send requests here, and by DNS rebinding even under a name of its own. Where nobody is
asked for a key that alone would let it in: such a service answers to names of loopback only, and to no page but its own.

Source: Fetch metadata (W3C), `Origin` (RFC 6454); the browser sets both and no page can forge them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pellucid.base.errors import ForeignOrigin, HostRefused, PellucidError
from pellucid.base.settings import PREFIX, Settings, is_loopback
from pellucid.serve.access import is_open
from pellucid.serve.problems import ProblemResponse

WRITTEN = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:@/\\?#\[\]]+)(:[0-9]+)?")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class OwnSite:
    """ASGI middleware before every route: on a service that asks nobody, only our own names and our own pages are answered."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._settings.on_loopback and (problem := self._problem(request := Request(scope))):
            service = scope["app"].state.service
            if await service.read(lambda: is_open(self._settings, service.store.database)):
                await ProblemResponse(problem, request.url.path)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, request: Request) -> PellucidError | None:
        """What is wrong with it if nobody is asked for a key; whether so the database says, which is asked last."""
        # Every browser names a host; programs that speak HTTP/1.0 need not.
        name = name_of(request.headers.get("host", "localhost"))
        if not is_loopback(name) and name not in self._settings.host_names:
            return HostRefused(
                f"the host was {name[:80]!r}; allowed without keys are 127.0.0.1, localhost and [::1]; "
                f"allow others with {PREFIX}HOST_NAMES, or make a key"
            )
        if is_foreign(request.headers, request.method, self._settings.public_url):
            return ForeignOrigin("a page of another site asked; allowed without keys are programs, and pages of this service")
        return None


def name_of(host: str) -> str:
    """The name in a header `Host`, without its port; `::1` for `[::1]:8000`. Empty where it is none."""
    found = WRITTEN.fullmatch(host)
    return found.group("name").strip("[]").lower().rstrip(".") if found else ""


def is_foreign(headers: Mapping[str, str], method: str, public_url: str | None = None) -> bool:
    """Did a page of another site make the browser ask? Following a link is allowed; programs send neither header."""
    fetched = headers.get("sec-fetch-site", "none")
    if fetched in ("cross-site", "same-site") and not (method in SAFE and headers.get("sec-fetch-mode") == "navigate"):
        return True
    return method not in SAFE and "origin" in headers and not is_own_origin(headers, public_url)


def is_own_origin(headers: Mapping[str, str], public_url: str | None = None) -> bool:
    """Is the header `Origin` that of the host that was asked, or of the site's public address?

    The scheme of the first is left out: behind a proxy that ends TLS we see http and the browser https.
    """
    origin = headers.get("origin", "")
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and (host == headers.get("host") or origin == public_url)
