"""`Page`: the route class of the console. Errors are pages too, who is not signed in is led to the sign-in, bodies are small."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from pellucid.base.errors import (
    BadRequest,
    BodyTooLarge,
    InvalidParameter,
    PellucidError,
    ProviderFailed,
    RateLimited,
    SignInFailed,
    Unavailable,
)
from pellucid.base.small_body import SmallBody
from pellucid.console.cookies import VISIT, Cookies
from pellucid.console.pages import render
from pellucid.console.signed_in import NotSignedIn

SIGN_IN = "/console/sign-in"

log = logging.getLogger(__name__)


class Page(SmallBody):
    """For `APIRouter(prefix="/console", route_class=Page, include_in_schema=False)`."""

    max_bytes = 64 << 10

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                response = await answer(request)
            except NotSignedIn:
                response = _to_sign_in(request)
            except (PellucidError, HTTPException, RequestValidationError) as error:
                response = problem_page(request, _ours(error))
            _remember(request, response)
            return response

        return page


def problem_page(request: Request, error: PellucidError) -> Response:
    """The error as a page: what was, what is allowed, what to do."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable | ProviderFailed):
        # The cause goes to the log and not to the page.
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        error = PellucidError()
    response = render(request, "problem.html", None, error.status, error=error)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _to_sign_in(request: Request) -> Response:
    """A form that was sent too late is not sent again by itself."""
    if request.method not in ("GET", "HEAD"):
        return problem_page(request, SignInFailed("nobody is signed in, or not any more; sign in and send the form again"))
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': path})}", HTTPStatus.SEE_OTHER)


def _ours(error: Exception) -> PellucidError:
    match error:
        case PellucidError():
            return error
        case RequestValidationError():
            faults = (f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in error.errors())
            return InvalidParameter("; ".join(faults))
        case HTTPException(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return BodyTooLarge(str(error.detail))
        case HTTPException():
            return BadRequest(str(error.detail))
    raise error


def _remember(request: Request, response: Response) -> None:
    """A visitor's token that was drawn for this page."""
    if token := getattr(request.state, "visit", None):
        Cookies.of(request, request.app.state.service.settings).put(response, VISIT, token.text)
