"""Headers that every answer bears, so that no browser does with it what we did not mean; and how requests must be framed.

| header | on | against |
|---|---|---|
| `X-Content-Type-Options: nosniff` | all | a picture or a problem taken for a page |
| `Content-Security-Policy: default-src 'none'; …` | all without one of their own | an answer opened as a page: no script |
| `Referrer-Policy`, `Cross-Origin-Resource-Policy`, `X-Frame-Options` | the same | use by other sites |
| `Cache-Control: no-store` | `/v1`, and every error | people's pictures and answers in somebody's cache |

A request with both Content-Length and Transfer-Encoding is one of two, and a proxy before us may have read the other: refused,
and its connection closed (RFC 9112, section 6.1).
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.base.errors import BadRequest
from pellucid.serve.problems import ProblemResponse

POLICY = "default-src 'none'; frame-ancestors 'none'"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
PERSONAL = "/v1/"
TWO_LENGTHS = "the request has both Content-Length and Transfer-Encoding; send one of them"


class AnswerHeaders:
    """ASGI middleware; what a route sets itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(PERSONAL) or message["status"] >= HTTPStatus.BAD_REQUEST:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if {b"content-length", b"transfer-encoding"} <= {name.lower() for name, _ in scope["headers"]}:
            refusal = ProblemResponse(BadRequest(TWO_LENGTHS), scope["path"], {"Connection": "close"})
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)
