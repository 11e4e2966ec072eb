"""Headers that every answer bears, so that no browser does with it what we did not mean.

| header | on | against |
|---|---|---|
| `X-Content-Type-Options: nosniff` | all | a picture or a problem taken for a page |
| `Content-Security-Policy: default-src 'none'; …` | all without one of their own | an answer opened as a page: no script |
| `Referrer-Policy`, `Cross-Origin-Resource-Policy`, `X-Frame-Options` | the same | use by other sites |
| `Cache-Control: no-store` | `/v1`, and every error | people's pictures and answers in somebody's cache |
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
NO_STORE = {"Cache-Control": "no-store"}
PERSONAL = "/v1/"


class AnswerHeaders:
    """ASGI middleware; what a route sets itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                personal = scope["path"].startswith(PERSONAL) or message["status"] >= HTTPStatus.BAD_REQUEST
                headers = MutableHeaders(scope=message)
                for name, value in (ALWAYS | NO_STORE if personal else ALWAYS).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
