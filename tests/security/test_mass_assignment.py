"""A field that a body should not hold is refused or ignored, and never kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from pellucid.store.tables import METADATA
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.test_access import BOOTSTRAP, bearer, give

FORGED = "forged-7f3a"
# What records hold and only we write.
OURS: dict[str, Any] = {
    "id": FORGED,
    "analysis": FORGED,
    "actor": "forged/7f3a",
    "state": FORGED,
    "scopes": [FORGED],
    "round": FORGED,
    "policy": FORGED,
    "stood": FORGED,
    "machine": FORGED,
    "created": "1999-01-01T00:00:00Z",
    "closed": FORGED,
    "ruling": FORGED,
    "secret": FORGED,
    "hash": FORGED,
    "key": FORGED,
    "revoked": "1999-01-01T00:00:00Z",
    "last_used": FORGED,
    "version": 999_999,
    "is_admin": True,
    "__class__": FORGED,
    "__proto__": {"admin": FORGED},
    "constructor": FORGED,
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/keys": {"name": "app", "scopes": ["read"]},
    "/v1/keys/{key}/rotations": {"overlap_hours": 1},
    "/v1/analyses/{analysis}/flags": {"says": "generated", "note": "six fingers"},
    "/v1/analyses/{analysis}/appeals": {"reason": "I took it"},
    "/v1/analyses/{analysis}/rulings": {"verdict": "no_ai_found", "reason": "the negative"},
    "/v1/policies/dry-run": {"policy": 'name = "p"\nversion = 1\n[[rules]]\nname = "d"\ndecision = "allow"\nreason = "r"\n'},
    "/v1/analyses": {"url": "https://example.com/a.png"},
}


@pytest.fixture
def site(make_app: MakeApp) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """A client with every scope, and ids to put into addresses."""
    app = make_app(api_keys=(BOOTSTRAP,))
    with TestClient(app, headers=bearer(BOOTSTRAP)) as client:
        key, _ = give(app, name="holder")
        yield client, {"analysis": client.post("/v1/analyses", content=png()).json()["id"], "key": key.id}


def everything_kept(client: TestClient) -> str:
    app: Any = client.app
    with app.state.service.store.database.connect() as connection:
        return "\n".join(str(row) for each in METADATA.tables.values() for row in connection.execute(select(each)))


@pytest.mark.parametrize("path", BODIES)
def test_a_field_of_ours_in_a_body_is_refused_and_kept_nowhere(site: tuple[TestClient, dict[str, str]], path: str) -> None:
    client, ids = site
    address, body = path.format(**ids), BODIES[path]
    known = {"/v1/keys": {"scopes"}, "/v1/policies/dry-run": {"policy"}}.get(path, set())
    for name, value in OURS.items():
        if name in known:
            continue
        answer = client.post(address, json={**body, name: value})
        assert answer.status_code == 422, (path, name, answer.text)
        assert answer.json()["code"] == "invalid-parameter"
        assert name in answer.json()["detail"]
    assert FORGED not in everything_kept(client)
    assert "1999-01-01" not in everything_kept(client)


def test_every_call_that_takes_json_is_in_the_list(site: tuple[TestClient, dict[str, str]]) -> None:
    client, _ = site
    paths = client.get("/openapi.json").json()["paths"]
    taking = {
        path
        for path, calls in paths.items()
        for call in calls.values()
        if "application/json" in call.get("requestBody", {}).get("content", {}) and path.startswith("/v1/")
    }
    listed = {path.replace("{analysis}", "{analysis_id}").replace("{key}", "{key_id}") for path in BODIES}
    assert taking == listed


def test_every_body_of_json_is_closed_in_the_document(site: tuple[TestClient, dict[str, str]]) -> None:
    document = site[0].get("/openapi.json").json()
    for path, calls in document["paths"].items():
        for call in calls.values():
            schema = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is not None and path.startswith("/v1/"):
                named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                assert named.get("additionalProperties") is False, path


@pytest.mark.parametrize("name", ["id", "created", "actor", "verdict", "source", "sha256", "channel"])
def test_a_form_holds_the_picture_and_its_declaration_alone(site: tuple[TestClient, dict[str, str]], name: str) -> None:
    client, _ = site
    answer = client.post("/v1/analyses", files={"file": ("a.png", png(seed=2))}, data={name: FORGED})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert FORGED not in everything_kept(client)


@pytest.mark.parametrize(
    "call",
    ["GET /v1/analyses", "GET /v1/search?q=a", "GET /v1/queue", "GET /v1/statements", "PUT /v1/banks/x?action=note&reason=a"],
)
def test_a_parameter_that_nobody_reads_is_refused(site: tuple[TestClient, dict[str, str]], call: str) -> None:
    method, address = call.split(" ")
    joined = f"{address}{'&' if '?' in address else '?'}actor=forged"
    answer = site[0].request(method, joined, content=b"0" * 64 if method == "PUT" else None)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert "query parameter `actor`" in answer.json()["detail"]


def test_an_actor_stands_behind_the_key_that_speaks_for_him(site: tuple[TestClient, dict[str, str]], make_app: MakeApp) -> None:
    """Who asks for somebody is kept with him: no key can pass for another's holder."""
    client, ids = site
    flag = {"says": "generated", "actor": "moderator-anna"}
    assert client.post(f"/v1/analyses/{ids['analysis']}/flags", json=flag).json()["actor"] == "bootstrap/moderator-anna"
    for wrong in ("anna/berta", "../anna", "cli:anna", "", "a" * 64, "anna\n", " anna"):
        answer = client.post(f"/v1/analyses/{ids['analysis']}/flags", json={**flag, "actor": wrong})
        assert answer.status_code == 422, wrong


def test_a_name_twice_in_json_is_read_once_and_as_what_is_checked(site: tuple[TestClient, dict[str, str]]) -> None:
    client, _ = site
    body = b'{"name": "app", "name": "local", "scopes": ["read"]}'
    answer = client.post("/v1/keys", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "local" in answer.json()["detail"]
    made = json.dumps({"name": "twice", "role": "uploader", "scopes": ["admin"]})
    assert client.post("/v1/keys", content=made, headers={"Content-Type": "application/json"}).status_code == 422
