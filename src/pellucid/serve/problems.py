"""Every error as a problem detail (RFC 9457), and every error an address can give in its documentation.

One handler a kind of exception: ours, the framework's, a parameter that does not fit, and whatever else, which is ours to mend.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from pellucid.base.errors import (
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    PellucidError,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from pellucid.records.service import Problem
from pellucid.serve.answer_headers import ALWAYS, NO_STORE
from pellucid.serve.linger import drain

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:pellucid:problem:"
RETRY_AFTER_S = 1
PLACES = {"body": "field", "query": "query parameter", "path": "part of the address"}
MOST_FAULTS = 20
MOST_NAME = 80
MOST_INSTANCE = 500
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

log = logging.getLogger(__name__)


def documented(*kinds: type[PellucidError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for `kinds`, with an example each; statuses that several share are one response."""
    of_status: dict[int | str, dict[str, Any]] = {}
    every: tuple[type[PellucidError], ...] = (*kinds, PellucidError)
    for kind in every:
        response = of_status.setdefault(kind.status, {"description": HTTPStatus(kind.status).phrase, "content": _content()})
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {"summary": kind.title, "value": _fields(kind(), "/v1/analyses")}
        if headers := _documented_headers(kind):
            response["headers"] = headers
    return of_status


def install(app: FastAPI) -> None:
    app.add_exception_handler(PellucidError, _of_ours)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_unexpected)


class ProblemResponse(JSONResponse):
    """A problem detail. Where the body was refused half-way the rest of it is first let drain, so that the answer arrives."""

    media_type = MEDIA_TYPE

    def __init__(self, error: PellucidError, instance: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(_fields(error, instance), error.status, {**_headers(error), **(headers or {})})
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(self.error, BodyTooLarge):
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PellucidError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable):
        return await _of_unexpected(request, error)
    return ProblemResponse(error, request.url.path)


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return ProblemResponse(NotFound(f"there is nothing at {path[:200]}; /docs lists what there is"), path)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods_of(request))
        detail = f"{request.method[:MOST_NAME]} is not answered here; allowed is {allowed}"
        return ProblemResponse(MethodNotAllowed(detail), path, {"Allow": allowed})
    if error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        return ProblemResponse(BodyTooSlow(str(error.detail)), path)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return ProblemResponse(BodyTooLarge(str(error.detail)), path)
    return ProblemResponse(BadRequest(str(error.detail)), path, error.headers)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    complaints = [f"{place_of(fault['loc'])}: {_said(fault)}" for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        complaints.append(f"and {len(faults) - MOST_FAULTS} more")
    return ProblemResponse(InvalidParameter("; ".join(complaints)), request.url.path)


def _said(fault: Mapping[str, Any]) -> str:
    """A body that was not said to be JSON arrives as bytes, and the library complains of these."""
    if tuple(fault["loc"]) == ("body",) and isinstance(fault.get("input"), bytes):
        return "it is read as JSON only where it says so; send the header Content-Type: application/json"
    return str(fault["msg"])


def place_of(loc: Sequence[str | int]) -> str:
    """("header", "Idempotency-Key") → the header `Idempotency-Key`; ("body",) → the body."""
    where, names = str(loc[0]) if loc else "body", ".".join(str(part)[:MOST_NAME] for part in loc[1:])
    if where == "body" and (not names or names.isdecimal()):  # a number is where JSON ends to be any
        return f"the body, at character {names}" if names else "the body"
    return f"the {PLACES.get(where, where)} `{names}`" if names else f"the {PLACES.get(where, where)}"


async def _of_unexpected(request: Request, error: Exception) -> Response:
    """The cause goes to the log and not to the client. The framework answers this outside of every middleware."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return ProblemResponse(PellucidError(), request.url.path, ALWAYS | NO_STORE)


def _fields(error: PellucidError, instance: str) -> dict[str, Any]:
    problem = Problem(
        type=TYPE_PREFIX + error.code,
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        instance=instance[:MOST_INSTANCE],
    )
    return problem.model_dump()


def _headers(error: PellucidError) -> dict[str, str]:
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        return {"Connection": "close"}
    return {}


def _methods_of(request: Request) -> list[str]:
    """The methods that the address does answer to, asked of the routes themselves."""

    def answers(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if answers(method)]


def _content() -> dict[str, Any]:
    return {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}}


def _documented_headers(kind: type[PellucidError]) -> dict[str, Any]:
    if issubclass(kind, Unavailable | RateLimited):
        return {"Retry-After": {"description": "Seconds after which to try again", "schema": {"type": "integer"}}}
    if issubclass(kind, Unauthorized):
        return {"WWW-Authenticate": {"description": "The scheme to use", "schema": {"type": "string"}}}
    return {}
