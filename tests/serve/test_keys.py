"""API keys over the API: made, shown once, listed, rotated, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pellucid.base.ids import new_id
from pellucid.store.audit import entries
from tests.serve.conftest import MakeApp

ADMIN = {"Authorization": "Bearer 0123456789abcdef"}


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app(api_keys=("0123456789abcdef",))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers=ADMIN) as client:
        yield client


def test_a_key_is_shown_when_it_is_made_and_never_again(client: TestClient) -> None:
    answer = client.post("/v1/keys", json={"name": "photo-app", "role": "platform", "expires_in_days": 90, "per_minute": 600})
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (made["scopes"], made["state"], made["per_minute"]) == (["analyse", "read", "flag", "appeal"], "active", 600)
    assert client.get("/v1/models", headers={"Authorization": f"Bearer {made['key']}"}).status_code == 200
    (listed,) = client.get("/v1/keys").json()["items"]
    assert made["key"] not in str(listed)
    assert listed.pop("last_used") is not None
    assert listed == {name: value for name, value in made.items() if name not in ("key", "last_used")}


def test_a_rotated_key_goes_on_and_a_revoked_one_ends(client: TestClient) -> None:
    made = client.post("/v1/keys", json={"name": "app", "scopes": ["read"]}).json()
    rotated = client.post(f"/v1/keys/{made['id']}/rotations", json={"overlap_hours": 1}).json()
    headers = [{"Authorization": f"Bearer {each['key']}"} for each in (made, rotated)]
    assert [client.get("/v1/models", headers=each).status_code for each in headers] == [200, 200]
    assert client.delete(f"/v1/keys/{made['id']}").json()["state"] == "revoked"
    assert [client.get("/v1/models", headers=each).status_code for each in headers] == [401, 401]
    assert client.post(f"/v1/keys/{made['id']}/rotations", json={}).json()["code"] == "key-not-active"


def test_the_audit_log_says_who_did_it(app: FastAPI, client: TestClient) -> None:
    admin = client.post("/v1/keys", json={"name": "anna", "role": "administrator"}).json()
    headers = {"Authorization": f"Bearer {admin['key']}"}
    client.post("/v1/keys", json={"name": "app", "scopes": ["read"]}, headers=headers)
    client.get("/v1/keys", headers=headers)
    found = [(entry.actor, entry.action) for entry in entries(app.state.service.store.database)]
    assert found == [("bootstrap", "key.created"), ("anna", "key.created")]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "app"},
        {"name": "app", "role": "king"},
        {"name": "app", "scopes": ["all"]},
        {"name": "app", "role": "x", "hash": "0"},
    ],
)
def test_refuses_keys_that_make_no_sense(client: TestClient, body: dict[str, object]) -> None:
    answer = client.post("/v1/keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert client.get("/v1/keys").json() == {"items": []}


def test_a_key_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.delete(f"/v1/keys/{new_id()}").json()["code"] == "not-found"
    assert client.post(f"/v1/keys/{new_id()}/rotations", json={}).json()["code"] == "not-found"


def test_a_site_has_roles_of_its_own(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "roles.toml"
    file.write_text('name = "ours"\nversion = 1\n[roles]\nauditor = ["read"]\n')
    with TestClient(make_app(roles=file)) as client:
        assert client.post("/v1/keys", json={"name": "kim", "role": "auditor"}).json()["scopes"] == ["read"]
