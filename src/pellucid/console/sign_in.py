"""`/console/sign-in` and `/console/sign-out`: by a local account, or at an OpenID provider where the site has one.

These pages ask for no session, so their forms are checked with the token of a visit. A sign-in always gives a new token: one that
was put into a browser beforehand is worth nothing.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from pellucid.base.errors import NotFound, PellucidError, SignInFailed, TooManySignIns
from pellucid.console.cookies import FLOW, SESSION, VISIT, Cookies
from pellucid.console.flow import SECONDS, Flow
from pellucid.console.office import Office, Open
from pellucid.console.page import Page
from pellucid.console.pages import render
from pellucid.console.provider import Provider
from pellucid.console.signed_in import FORMS, Checked, NotSignedIn, check_form, signed_in, visit
from pellucid.records.session import Token
from pellucid.serve.service import Held, Service
from pellucid.store.sessions import end_session
from pellucid.store.signing_in import Attempt, announce, note_failure, sign_in, sign_in_identity

router = APIRouter(prefix="/console", route_class=Page, include_in_schema=False)

HOME = "/console"
# A page of the console, by its path and query. Nothing that a browser could take for another host.
INSIDE = re.compile(r"/console([/?][A-Za-z0-9/?&=._~%+,:@!$'()*;-]*)?")
LONGEST_INSIDE = 1000
To = Annotated[str, Query(alias="next")]


@router.get("/sign-in")
async def sign_in_page(request: Request, service: Held, office: Open, to: To = HOME) -> Response:
    try:
        await signed_in(request, service, office)
    except NotSignedIn:
        return _page(request, service, office, inside(to))
    return RedirectResponse(inside(to), HTTPStatus.SEE_OTHER)


@router.post("/sign-in")
async def sign_in_by_password(
    request: Request,
    service: Held,
    office: Open,
    name: Annotated[str, Form(max_length=256)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    to: Annotated[str, Form(alias="next")] = HOME,
) -> Response:
    cookies = Cookies.of(request, service.settings)
    await check_form(request, service, visit(request, cookies).derived(FORMS))
    attempt = Attempt(name.strip(), password, request.client.host if request.client else "unknown")
    database = service.store.database
    try:
        await service.read(lambda: announce(database, attempt, datetime.now(UTC)))
        async with office.verifying:
            token = await service.read(lambda: sign_in(database, attempt, datetime.now(UTC)))
    except TooManySignIns as error:
        return _page(request, service, office, inside(to), error, name)
    except SignInFailed as error:
        page = _page(request, service, office, inside(to), error, name)
        page.background = BackgroundTasks()
        page.background.add_task(note_failure, database, attempt, datetime.now(UTC))
        return page
    return await _in(service, cookies, token, inside(to))


@router.get("/sign-in/oidc")
async def to_the_provider(request: Request, service: Held, office: Open, to: To = HOME) -> Response:
    provider = _provider(office)
    cookies, flow = Cookies.of(request, service.settings), Flow.begun(inside(to))
    response = RedirectResponse(await provider.address(flow), HTTPStatus.SEE_OTHER)
    cookies.put(response, FLOW, flow.cookie, SECONDS)
    return response


@router.get("/sign-in/oidc/callback")
async def from_the_provider(request: Request, service: Held, office: Open) -> Response:
    provider, cookies, database = _provider(office), Cookies.of(request, service.settings), service.store.database
    flow = Flow.parse(cookies.get(FLOW))
    try:
        if flow is None or not hmac.compare_digest(flow.state.encode(), request.query_params.get("state", "").encode()):
            raise SignInFailed("this sign-in was begun in another browser, or too long ago; begin again")
        identity = await provider.identity(flow, request.query_params)
        token = await service.read(lambda: sign_in_identity(database, identity, datetime.now(UTC)))
        response = await _in(service, cookies, token, inside(flow.inside))
    except SignInFailed as error:
        response = _page(request, service, office, inside(flow.inside) if flow else HOME, error)
    cookies.drop(response, FLOW)
    return response


@router.post("/sign-out", dependencies=[Checked])
async def sign_out(request: Request, service: Held) -> Response:
    cookies = Cookies.of(request, service.settings)
    await _end(service, cookies)
    response = RedirectResponse("/console/sign-in", HTTPStatus.SEE_OTHER)
    cookies.drop(response, SESSION)
    return response


def inside(wished: str) -> str:
    """`wished` where it is an address of the console, else its first page: nobody is led elsewhere by a link to the sign-in."""
    fits = len(wished) <= LONGEST_INSIDE and INSIDE.fullmatch(wished) and ".." not in wished and "//" not in wished
    return wished if fits else HOME


def _page(
    request: Request, service: Service, office: Office, to: str, error: PellucidError | None = None, name: str = ""
) -> Response:
    token = visit(request, Cookies.of(request, service.settings))
    status = error.status if error else HTTPStatus.OK
    page = render(
        request, "sign_in.html", None, status,
        csrf=token.derived(FORMS), next=to, error=error, name=name, provider=office.provider is not None,
    )  # fmt: skip
    if isinstance(error, TooManySignIns):
        page.headers["Retry-After"] = str(error.retry_after_s)
    return page


async def _in(service: Service, cookies: Cookies, token: Token, to: str) -> Response:
    """On his way, with a cookie of the new session; the one before it ends."""
    await _end(service, cookies)
    response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    cookies.put(response, SESSION, token.text)
    cookies.drop(response, VISIT)
    return response


async def _end(service: Service, cookies: Cookies) -> None:
    if before := Token.parse(cookies.get(SESSION)):
        await service.read(lambda: end_session(service.store.database, before))


def _provider(office: Office) -> Provider:
    if office.provider is None:
        raise NotFound("this console has no OpenID provider; sign in with a name and a password")
    return office.provider
