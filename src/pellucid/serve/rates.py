"""What a key's rate still allows, in the headers of every answer it gets (draft-ietf-httpapi-ratelimit-headers-11).

    RateLimit-Policy: "key";q=600;w=60      600 requests in 60 seconds
    RateLimit: "key";r=599;t=1              599 are left, and in 1 second it will be all of them again
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.records.key import WINDOW_S, Allowance

POLICY = "key"


class RateHeaders:
    """ASGI middleware: `require` leaves the allowance in the request's state, and errors are answers as well."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            allowance = scope.get("state", {}).get("allowance")
            if message["type"] == "http.response.start" and allowance is not None:
                MutableHeaders(scope=message).update(headers_of(allowance))
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)


def headers_of(allowance: Allowance) -> dict[str, str]:
    return {
        "RateLimit-Policy": f'"{POLICY}";q={allowance.per_minute};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={allowance.remaining};t={allowance.reset_s}',
    }
