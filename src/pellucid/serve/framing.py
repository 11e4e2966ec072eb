"""One reading of where a request ends: with both Content-Length and Transfer-Encoding there are two.

A proxy before us may have gone by the other one, and what it holds for a body would be the next request here, let in as somebody
else's. Such a request is refused and its connection closed (RFC 9112, section 6.1); what else is doubtful h11 refuses.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from pellucid.base.errors import BadRequest
from pellucid.serve.problems import ProblemResponse

BOTH = frozenset((b"content-length", b"transfer-encoding"))
DETAIL = "the request has both Content-Length and Transfer-Encoding; send one of them"


class OneLength:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and {name.lower() for name, _ in scope["headers"]} >= BOTH:
            await ProblemResponse(BadRequest(DETAIL), scope["path"], {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
