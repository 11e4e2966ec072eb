"""Routes that take JSON. The framework reads a body whole before it asks who sends it, so a stranger can send little.

Its own `max_body_size` would do, but answers in plain text where the length is announced.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

MAX_BODY_BYTES = 16 << 10


class SmallBody(APIRoute):
    """For `APIRouter(route_class=SmallBody)`: a longer body is answered 413, at the first byte too many."""

    max_bytes = MAX_BODY_BYTES

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await answer(Request(request.scope, _bounded(request.receive, self.max_bytes)))

        return bounded


def _bounded(receive: Receive, max_bytes: int) -> Receive:
    count = 0

    async def next_piece() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > max_bytes:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {max_bytes} bytes; send less")
        return message

    return next_piece
