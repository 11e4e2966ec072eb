"""Routes that take JSON. The framework reads a body whole before it asks who sends it: a stranger sends little, and soon.

Its own `max_body_size` would do for the length, but answers in plain text where that is announced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from pellucid.base.lengths import announces_more

MAX_BODY_BYTES = 16 << 10


class SmallBody(APIRoute):
    """For `APIRouter(route_class=SmallBody)`: a longer body is answered 413, at the first byte too many; a slow one 408.

    The time is the application's `state.body_timeout_s`.
    """

    max_bytes = MAX_BODY_BYTES

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            body = _Bounded(request.receive, self.max_bytes, request.app.state.body_timeout_s)
            body.check_announced(request.headers.get("content-length", ""))
            return await answer(Request(request.scope, body.next_piece))

        return bounded


class _Bounded:
    """What `receive` gives, until it is too much or too late."""

    def __init__(self, receive: Receive, max_bytes: int, seconds: float) -> None:
        self._receive, self._max_bytes = receive, max_bytes
        self._seconds, self._until = seconds, asyncio.get_running_loop().time() + seconds
        self._count = 0
        self._whole = False

    def check_announced(self, length: str) -> None:
        if announces_more(length, self._max_bytes):
            raise self._too_large()

    async def next_piece(self) -> Message:
        if self._whole:  # what comes after the body is the client's leaving, which may take as long as the answer
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"{self._count} bytes came in {self._seconds:g} s, which is the time allowed for the whole body"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from error
        self._count += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._count > self._max_bytes:
            raise self._too_large()
        return message

    def _too_large(self) -> HTTPException:
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._max_bytes} bytes; send less")
