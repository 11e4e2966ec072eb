"""Every route of the console: who may see the page, which forms are checked, and what stands open to everyone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from pellucid.base.ids import new_id
from pellucid.console.signed_in import allowed, checked, signed_in
from pellucid.records.account import Identity
from pellucid.records.actor import SCOPES
from pellucid.store.signing_in import sign_in_identity
from tests.console.conftest import OWN, Start

# What needs no session: to get one, and what the pages are made of. `/console` only leads on.
OPEN = {"/console/sign-in", "/console/sign-in/oidc", "/console/sign-in/oidc/callback", "/console/static/{name}"}
# Checked with the token of a visit, for there is no session yet.
FIRST_FORM = {"/console/sign-in"}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    scopes: frozenset[str]
    asks_who: bool
    is_checked: bool

    @property
    def address(self) -> str:
        """Some address of it; an id that names nothing."""
        return re.sub(r"{[^}]*}", new_id(), self.path)


def routes(app: FastAPI) -> list[Route]:
    found = []
    for context in iter_route_contexts(app.routes):
        if (context.path or "").startswith("/console"):
            below = list(dependencies(getattr(context, "dependant", None)))
            scopes = frozenset(scope for each in below if each.call is allowed for scope in each.own_oauth_scopes or ())
            calls = {each.call for each in below}
            found += [
                Route(method, context.path or "", scopes, signed_in in calls, checked in calls)
                for method in context.methods or {"GET"}
            ]
    return sorted((route for route in found if route.method not in ("HEAD", "OPTIONS")), key=str)


def dependencies(dependant: Any) -> Iterator[Any]:
    for below in dependant.dependencies if dependant is not None else ():
        yield below
        yield from dependencies(below)


@pytest.fixture
def client(start: Start) -> TestClient:
    return start(api_keys=("0123456789abcdef",))


def app_of(client: TestClient) -> FastAPI:
    assert isinstance(client.app, FastAPI)
    return client.app


def as_somebody(client: TestClient, *scopes: str) -> TestClient:
    """Signed in with just these scopes."""
    identity = Identity("https://id.example", "-".join(scopes), f"who {' '.join(scopes)}", frozenset(scopes))  # type: ignore[arg-type]
    token = sign_in_identity(app_of(client).state.service.store.database, identity, datetime.now(UTC))
    made = TestClient(client.app, base_url="http://127.0.0.1:8000", follow_redirects=False, raise_server_exceptions=False)
    made.cookies.set("pellucid", token.text)
    return made


def test_every_page_asks_who_is_there_or_is_known_to_be_open(client: TestClient) -> None:
    found = routes(app_of(client))
    assert len(found) > 5
    assert {route.path for route in found if not route.asks_who} == OPEN
    assert not [route for route in found if len(route.scopes) > 1]


def test_every_form_is_checked(client: TestClient) -> None:
    unsafe = [route for route in routes(app_of(client)) if route.method != "GET"]
    assert unsafe
    assert {route.path for route in unsafe if not route.is_checked} == FIRST_FORM


def test_nobody_sees_anything_without_a_session(client: TestClient) -> None:
    wrong = []
    for route in (route for route in routes(app_of(client)) if route.asks_who):
        answer = client.request(route.method, route.address, headers=OWN)
        if answer.status_code != (303 if route.method == "GET" else 401):
            wrong.append((route, answer.status_code))
        if route.method == "GET" and not answer.headers["location"].startswith("/console/sign-in?next="):
            wrong.append((route, answer.headers["location"]))
    assert not wrong


def test_every_page_lets_in_its_own_scope_and_no_other(client: TestClient) -> None:
    wrong = []
    for scope in SCOPES:
        somebody = as_somebody(client, scope)
        for route in (route for route in routes(app_of(client)) if route.scopes):
            answer = somebody.request(route.method, route.address, headers=OWN)
            # A form is checked too; which of the two refuses first is the framework's to say.
            forbidden = answer.status_code == 403 and "<code>forbidden</code>" in answer.text
            unchecked = answer.status_code == 403 and "<code>bad-csrf</code>" in answer.text
            if scope in route.scopes and (
                forbidden or (answer.status_code in (303, 401) and "sign-in" in answer.headers.get("location", ""))
            ):
                wrong.append((route, scope, answer.status_code))
            if scope not in route.scopes and not (forbidden or (route.is_checked and unchecked)):
                wrong.append((route, scope, answer.status_code))
    assert not wrong


def test_forms_are_refused_without_their_token_whoever_sends_them(client: TestClient) -> None:
    somebody = as_somebody(client, *SCOPES)
    for route in (route for route in routes(app_of(client)) if route.is_checked):
        answer = somebody.request(route.method, route.address, headers=OWN, data={"csrf": "0" * 64})
        assert (answer.status_code, "<code>bad-csrf</code>" in answer.text) == (403, True), route


def test_pages_are_in_no_document(client: TestClient) -> None:
    assert not [path for path in client.get("/openapi.json").json()["paths"] if path.startswith("/console")]


@pytest.mark.parametrize(
    ("role", "api", "console"), [("all", True, True), ("api", True, False), ("console", False, True), ("worker", False, False)]
)
def test_a_role_has_its_routes_and_its_health(start: Start, role: str, api: bool, console: bool) -> None:
    client = start(role=role)
    assert client.get("/healthz").status_code == client.get("/metrics").status_code == 200
    assert (client.get("/v1/models").status_code == 200) == api
    assert (client.get("/console/sign-in").status_code == 303) == console
    assert client.get("/").headers.get("location") == ("/docs" if api else "/console" if console else None)
