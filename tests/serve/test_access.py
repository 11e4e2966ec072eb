"""Who may ask what: every route against every scope, and who is let in with which key."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from pellucid.app import check_exposure
from pellucid.base.errors import ConfigError
from pellucid.base.ids import new_id
from pellucid.base.logs import configure_logs
from pellucid.base.settings import Settings
from pellucid.records.actor import SCOPES, load_roles
from pellucid.records.key import Key, Secret, wish
from pellucid.serve.access import admitted
from pellucid.serve.engine import Engine
from pellucid.store.keys import create_key, revoke_key
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

# What needs no key: documentation, and what the machinery around the service asks.
OPEN = {"/", "/docs", "/docs/assets", "/openapi.json", "/healthz", "/readyz", "/metrics"}
BOOTSTRAP = "0123456789abcdef"


@dataclass(frozen=True)
class Route:
    """A call of the application, with the scopes that it declares."""

    method: str
    path: str
    scopes: tuple[str, ...]

    @property
    def address(self) -> str:
        """Some address of it; an id that names nothing."""
        return re.sub(r"{[^}]*}", new_id(), self.path)


def routes(app: FastAPI) -> list[Route]:
    """All there are, those that the document leaves out included. Who may see which page: tests/console/test_scopes.py."""
    found = []
    for context in iter_route_contexts(app.routes):
        declared = tuple(scopes_of(getattr(context, "dependant", None)))
        found += [Route(method, context.path or "", declared) for method in sorted(context.methods or {"GET"})]
    return [route for route in found if route.method not in ("HEAD", "OPTIONS") and not route.path.startswith("/console")]


def scopes_of(dependant: Any) -> Iterator[str]:
    for below in dependant.dependencies if dependant is not None else ():
        if below.call is admitted:
            yield from below.own_oauth_scopes or ()
        yield from scopes_of(below)


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app(Engine(FakeAnalyser(), heatmap=lambda data: b"\x89PNG"))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def give(app: FastAPI, **fields: Any) -> tuple[Key, Secret]:
    asked = wish(**{"name": "app", "scopes": ["read"], **fields})
    return create_key(app.state.service.store.database, asked, load_roles(), "anna", datetime.now(UTC))


def bearer(secret: Secret | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.text if isinstance(secret, Secret) else secret}"}


def test_every_route_declares_one_scope_or_is_known_to_be_open(app: FastAPI) -> None:
    found = routes(app)
    assert len(found) > 10
    assert {route.path for route in found if not route.scopes} == OPEN
    assert not [route for route in found if len(route.scopes) > 1]
    assert {scope for route in found for scope in route.scopes} <= set(SCOPES)


def test_every_route_lets_in_its_own_scope_and_no_other(app: FastAPI, client: TestClient) -> None:
    keys = {scope: give(app, scopes=[scope])[1] for scope in SCOPES}
    wrong = []
    for route in (route for route in routes(app) if route.scopes):
        assert client.request(route.method, route.address).json()["code"] == "unauthorized"
        for scope, secret in keys.items():
            answer = client.request(route.method, route.address, headers=bearer(secret))
            allowed = answer.status_code not in (401, 403)
            if allowed != (scope in route.scopes) or (not allowed and answer.json()["code"] != "forbidden"):
                wrong.append((route, scope, answer.status_code))
    assert not wrong


def test_the_document_names_the_scope_of_every_call_and_what_it_answers_without(app: FastAPI, client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    named = {
        (method.upper(), path): tuple(call["security"][0]["api-key"])
        for path, calls in document["paths"].items()
        for method, call in calls.items()
        if "security" in call
    }
    assert named == {(route.method, route.path): route.scopes for route in routes(app) if route.scopes}
    for method, path in named:
        call = document["paths"][path][method.lower()]
        assert {"401", "403", "429"} <= set(call["responses"])
        assert f"Needs the scope `{named[method, path][0]}`." in call["description"]


def test_without_any_key_everyone_on_loopback_is_local(client: TestClient) -> None:
    for headers in ({}, bearer("whatever"), bearer(Secret.drawn())):
        assert client.get("/v1/keys", headers=headers).status_code == 200


def test_the_first_key_closes_the_door_and_revoking_it_does_not_open_it(app: FastAPI, client: TestClient) -> None:
    key, secret = give(app)
    assert client.get("/v1/analyses").status_code == 401
    assert client.get("/v1/analyses", headers=bearer(secret)).status_code == 200
    revoke_key(app.state.service.store.database, key.id, "anna", datetime.now(UTC))
    assert client.get("/v1/analyses", headers=bearer(secret)).json()["code"] == "unauthorized"
    assert client.get("/v1/analyses").status_code == 401


def test_off_loopback_nobody_is_let_in_without_a_key(make_app: MakeApp) -> None:
    with TestClient(make_app(host="0.0.0.0")) as client:
        assert client.get("/v1/analyses").status_code == 401


def test_keys_of_the_settings_have_every_scope_beside_those_of_the_database(make_app: MakeApp) -> None:
    app = make_app(api_keys=(BOOTSTRAP, "another key of sixteen"))
    with TestClient(app) as client:
        _, secret = give(app)
        assert client.get("/v1/keys", headers=bearer(BOOTSTRAP)).status_code == 200
        assert client.get("/v1/keys", headers=bearer("another key of sixteen")).status_code == 200
        assert client.get("/v1/models", headers=bearer(secret)).status_code == 200
        for wrong in (BOOTSTRAP[:-1], "ключ", "", Secret.drawn(), secret.text[:-1], secret.text.upper()):
            encoded = {name: value.encode() for name, value in bearer(wrong).items()}
            answer = client.get("/v1/models", headers=encoded)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_the_service_is_not_exposed_without_a_key(tmp_path: Path, make_app: MakeApp) -> None:
    exposed = Settings(host="0.0.0.0", data_dir=tmp_path / "data")
    with pytest.raises(ConfigError, match="PELLUCID_API_KEYS"):
        check_exposure(exposed)
    check_exposure(Settings(host="0.0.0.0", api_keys=(BOOTSTRAP,)))
    check_exposure(Settings())
    app = make_app()
    with TestClient(app):
        give(app)
    check_exposure(exposed)


def test_a_rate_is_told_in_every_answer_and_kept(app: FastAPI, client: TestClient) -> None:
    _, secret = give(app, per_minute=3)
    answers = [
        client.get(path, headers=bearer(secret)) for path in ("/v1/models", "/v1/keys", f"/v1/analyses/{new_id()}", "/v1/models")
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 404, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"key";q=3;w=60'}
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [f'"key";r={left}' for left in (2, 1, 0, 0)]
    refused = answers[3]
    assert refused.json()["code"] == "rate-limited"
    assert refused.headers["ratelimit"] == f'"key";r=0;t={refused.headers["retry-after"]}'
    assert 1 <= int(refused.headers["retry-after"]) <= 20


def test_a_key_without_a_rate_is_told_none(app: FastAPI, client: TestClient) -> None:
    _, secret = give(app)
    assert "ratelimit" not in client.get("/v1/models", headers=bearer(secret)).headers


def test_no_secret_is_in_a_log_whatever_happens_with_it(app: FastAPI, client: TestClient) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("debug", stream=stream)
    try:
        made = client.post("/v1/keys", json={"name": "app", "role": "administrator"}).json()
        headers = bearer(made["key"])
        again = client.post(f"/v1/keys/{made['id']}/rotations", json={}, headers=headers).json()
        client.post("/v1/analyses", content=png(), headers=headers)
        client.get(f"/v1/analyses?cursor={made['key']}", headers=bearer(again["key"]))
        client.get("/v1/models", headers=bearer(made["key"][:-1] + "x"))
        client.delete(f"/v1/keys/{made['id']}", headers=headers)
        client.get("/v1/models", headers=headers)
        logging.getLogger("uvicorn.access").info('"GET /v1/models?key=%s" 200', made["key"])
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert f"pel_{made['id']}_***" in stream.getvalue()
    for shown in (made["key"], again["key"]):
        assert shown.rpartition("_")[2][:16] not in stream.getvalue()
