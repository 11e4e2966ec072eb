"""Who is at the console, and whether a form was sent by one of its pages.

    router = APIRouter(prefix="/console", route_class=Page, include_in_schema=False)

    @router.get("/queue")
    async def queue(request: Request, moderator: Annotated[Moderator, may("read")]) -> HTMLResponse: …

    @router.post("/cases/{analysis_id}/rulings", dependencies=[Checked])
    async def rule(moderator: Annotated[Moderator, may("moderate")], …) -> Response: …

Every route names `SignedIn` or `may(scope)`, every POST also `Checked`; a test walks them. Without a session a GET is led to the
sign-in and comes back; anything else is answered 401. Where nobody was ever given a key or an account, everyone on loopback
is `local`: he has no session, but forms are checked all the same.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import SecurityScopes

from pellucid.base.errors import BadCsrf, Forbidden
from pellucid.console.cookies import SESSION, VISIT, Cookies
from pellucid.console.office import Open
from pellucid.records.actor import LOCAL, Actor
from pellucid.records.session import Token
from pellucid.serve.access import is_open
from pellucid.serve.origin import is_own_origin
from pellucid.serve.service import Held, Service
from pellucid.store.sessions import Lifetime, session_of

FORMS = "pellucid forms"
FIELD, HEADER = "csrf", "x-csrf-token"


@dataclass(frozen=True)
class Moderator:
    """`csrf` goes into every form as the field `csrf`, or into the header `X-CSRF-Token`. `open`: nobody is asked who he is."""

    actor: Actor
    csrf: str = field(repr=False)
    open: bool = False

    def may(self, scope: str) -> bool:
        return scope in self.actor.scopes


class NotSignedIn(Exception):
    """`Page` makes a redirect or a 401 of it."""


async def signed_in(request: Request, service: Held, office: Open) -> Moderator:
    """Raises `NotSignedIn`."""
    cookies = Cookies.of(request, service.settings)
    token = Token.parse(cookies.get(SESSION))
    lifetime, at = Lifetime.of(service.settings), datetime.now(UTC)
    actor = await service.read(lambda: session_of(service.store.database, token, lifetime, at)) if token else None
    if token is not None and actor is not None:
        request.state.actor = actor.name
        return Moderator(actor, token.derived(FORMS))
    if await service.read(lambda: is_open(service.settings, service.store.database)):
        request.state.actor = LOCAL.name
        return Moderator(LOCAL, visit(request, cookies).derived(FORMS, office.secret), open=True)
    raise NotSignedIn


async def allowed(needed: SecurityScopes, moderator: SignedIn) -> Moderator:
    """Raises `NotSignedIn` or `Forbidden`."""
    for scope in needed.scopes:
        if scope not in moderator.actor.scopes:
            raise Forbidden(f"{moderator.actor.name} lacks the scope `{scope}`; ask for an account with a role that has it")
    return moderator


async def checked(request: Request, service: Held, moderator: SignedIn) -> None:
    """Raises `BadCsrf`."""
    await check_form(request, service, moderator.csrf)


def may(scope: str) -> Any:
    """For `moderator: Annotated[Moderator, may("moderate")]`, or `dependencies=[may("read")]`."""
    return Security(allowed, scopes=[scope])


SignedIn = Annotated[Moderator, Depends(signed_in)]
Checked = Depends(checked)


async def check_form(request: Request, service: Service, expected: str) -> None:
    """The browser must say that one of our pages asked, and the page must know the token. Raises `BadCsrf`."""
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin" or not is_own_origin(headers, service.settings.public_url):
        raise BadCsrf("the form was sent by a page of another site, or by no page at all")
    # Of a route that takes files the framework has read the form already; of any other no file is taken.
    sent = headers.get(HEADER) or (await request.form(max_files=0)).get(FIELD)
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), expected.encode()):
        raise BadCsrf("the form is without its token, or with that of another session; load the page again")


def visit(request: Request, cookies: Cookies) -> Token:
    """The token of who has not signed in; `Page` gives him a cookie with it where he has none."""
    token: Token | None = getattr(request.state, "visit", None) or Token.parse(cookies.get(VISIT))
    if token is None:
        token = request.state.visit = Token.drawn()
    return token
