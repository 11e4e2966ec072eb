"""Every route against every scope and every kind of key that is none; what is expected stands in one table, docs/keys.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.testclient import TestClient

from pellucid.records.actor import SCOPES
from pellucid.records.key import Secret
from pellucid.serve.engine import Engine
from pellucid.store.keys import revoke_key, rotate_key
from pellucid.store.tables import METADATA, api_keys
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser
from tests.serve.test_access import BOOTSTRAP, OPEN, bearer, give, routes

# Pages behind a session and not a key: tests/console/.
CONSOLE = "/console"
# What `require` writes of its own accord.
COUNTERS = frozenset({"api_keys"})


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app(Engine(FakeAnalyser(), heatmap=lambda data: b"\x89PNG"), api_keys=(BOOTSTRAP,))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def table() -> dict[str, str]:
    """`METHOD /path` → scope, of the section `Which call needs which scope`."""
    text = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    section = text.split("## Which call needs which scope", 1)[1].split("\n## ", 1)[0]
    return {
        call: scope
        for calls, scope in re.findall(r"^\| (`.+`) \| `(\w+)` \|$", section, re.MULTILINE)
        for call in re.findall(r"`([^`]+)`", calls)
    }


def guarded(app: FastAPI) -> dict[str, str]:
    """Every route but the open ones and the console's, with an address of it."""
    found = [route for route in routes(app) if route.path not in OPEN and not route.path.startswith(CONSOLE)]
    return {f"{route.method} {route.path}": route.address for route in found}


def rows_of(app: FastAPI) -> dict[str, int]:
    tables = [each for each in METADATA.tables.values() if each.name not in COUNTERS]
    with app.state.service.store.database.connect() as connection:
        return {each.name: connection.execute(select(func.count()).select_from(each)).scalar_one() for each in tables}


def test_the_table_has_every_route_and_no_other(app: FastAPI, table: dict[str, str]) -> None:
    assert set(table) == set(guarded(app)), "write the new call into docs/keys.md, under `Which call needs which scope`"
    assert set(table.values()) <= set(SCOPES)


def test_the_openapi_document_says_what_the_table_says(client: TestClient, table: dict[str, str]) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    said = {
        f"{method.upper()} {path}": call["security"]
        for path, calls in paths.items()
        for method, call in calls.items()
        if f"{method.upper()} {path}" in table
    }
    assert said == {call: [{"api-key": [scope]}] for call, scope in table.items()}


def keys_that_are_none(app: FastAPI) -> dict[str, dict[str, str]]:
    """Headers that let nobody in, each with every scope but for what is wrong with it."""
    database, now = app.state.service.store.database, datetime.now(UTC)
    every = list(SCOPES)
    active, secret = give(app, name="active", scopes=every)
    revoked, revoked_secret = give(app, name="revoked", scopes=every)
    revoke_key(database, revoked.id, "anna", now)
    rotated, old_secret = give(app, name="rotated", scopes=every)
    rotate_key(database, rotated.id, timedelta(0), "anna", now)
    expired, expired_secret = give(app, name="expired", scopes=every, expires_in_days=1)
    with database.begin() as connection:
        connection.execute(api_keys.update().where(api_keys.c.id == expired.id).values(expires=now - timedelta(minutes=1)))
    return {
        "none": {},
        "empty": {"Authorization": "Bearer "},
        "another scheme": {"Authorization": f"Basic {secret.text}"},
        "no scheme": {"Authorization": secret.text},
        "in the address only": {"X-Api-Key": secret.text},
        "unknown": bearer(Secret.drawn()),
        "the secret of another": bearer(Secret(active.id, Secret.drawn().secret)),
        "one letter off": bearer(secret.text[:-1] + ("0" if secret.text[-1] != "0" else "1")),
        "the id alone": bearer(f"pel_{active.id}_"),
        "of the settings, cut": bearer(BOOTSTRAP[:-1]),
        "revoked": bearer(revoked_secret),
        "expired": bearer(expired_secret),
        "rotated away": bearer(old_secret),
    }


def test_who_has_no_good_key_is_told_401_everywhere_and_changes_nothing(
    app: FastAPI, client: TestClient, table: dict[str, str]
) -> None:
    wrong_keys, before = keys_that_are_none(app), rows_of(app)
    addresses = guarded(app)
    wrong = []
    for call in table:
        for what, headers in wrong_keys.items():
            answer = client.request(call.split(" ")[0], addresses[call], headers=headers)
            if (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) != (401, "unauthorized", "Bearer"):
                wrong.append((call, what, answer.status_code))
    assert not wrong
    assert rows_of(app) == before


def test_a_key_of_one_scope_is_let_into_the_calls_of_its_scope_and_no_other(
    app: FastAPI, client: TestClient, table: dict[str, str]
) -> None:
    keys = {scope: bearer(give(app, name=scope, scopes=[scope])[1]) for scope in SCOPES}
    keys["everything"] = bearer(BOOTSTRAP)
    addresses, before = guarded(app), rows_of(app)
    wrong = []
    for call, needed in table.items():
        for scope, headers in keys.items():
            answer = client.request(call.split(" ")[0], addresses[call], headers=headers)
            refused = answer.status_code in (401, 403)
            if refused != (scope not in (needed, "everything")) or (refused and answer.json()["code"] != "forbidden"):
                wrong.append((call, scope, answer.status_code))
            if answer.status_code >= 500:
                wrong.append((call, scope, answer.status_code))
    assert not wrong
    assert rows_of(app) == before, "an id that names nothing and an empty body leave nothing behind"


def test_a_stored_picture_is_not_had_by_who_may_only_send_some(app: FastAPI, client: TestClient) -> None:
    """`/v1/derivatives` takes a picture with `analyse`, and one that is stored with `read` as well."""
    stored = client.post("/v1/analyses", content=png(), headers=bearer(BOOTSTRAP)).json()["id"]
    answers = {
        scopes: client.post(f"/v1/derivatives?analysis={stored}", headers=bearer(give(app, scopes=list(scopes))[1])).status_code
        for scopes in (("analyse",), ("read",), ("analyse", "read"))
    }
    assert answers == {("analyse",): 403, ("read",): 403, ("analyse", "read"): 200}


@pytest.mark.parametrize("path", sorted(OPEN - {"/docs/assets"}))
def test_what_is_open_is_open_and_tells_nothing_of_pictures(client: TestClient, path: str) -> None:
    sent = client.post("/v1/analyses", files={"file": ("private-name.png", png())}, headers=bearer(BOOTSTRAP)).json()
    answer = client.get(path)
    assert answer.status_code == 200
    for told in (sent["id"], "private-name", sent["image"]["sha256"], sent["caption"]["text"]):
        assert told not in answer.text
