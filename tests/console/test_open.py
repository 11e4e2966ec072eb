"""A service that asks nobody for a key answers to names of loopback and to its own pages only."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.console.conftest import Start

ANALYSES = "/v1/analyses"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:9", "LOCALHOST", "[::1]:8000", "localhost."])
@pytest.mark.parametrize("path", [ANALYSES, "/healthz", "/console/queue"])
def test_answers_to_names_of_loopback(client: TestClient, host: str, path: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.2", "a@localhost", "localhost@a", "localhost/", "", "[", "::1"]
)
@pytest.mark.parametrize("path", [ANALYSES, "/console/sign-in", "/openapi.json"])
def test_refuses_other_names(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host-refused")


def test_with_a_key_it_may_have_any_name(start: Start) -> None:
    client = start(api_keys=("0123456789abcdef",))
    headers = {"Host": "pellucid.example", "Authorization": "Bearer 0123456789abcdef"}
    assert client.get(ANALYSES, headers=headers).status_code == 200
    assert client.get(ANALYSES, headers={"Host": "pellucid.example"}).json()["code"] == "unauthorized"


def test_names_can_be_allowed(start: Start) -> None:
    client = start(host_names="pellucid.internal")
    assert client.get(ANALYSES, headers={"Host": "Pellucid.Internal:8000"}).status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9000"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_sites_can_send_nothing(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post(ANALYSES, files={"file": b"x"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")


def test_pages_of_other_sites_can_embed_nothing_but_link_to_everything(client: TestClient) -> None:
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get(ANALYSES, headers=embedded).json()["code"] == "foreign-origin"
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get(ANALYSES, headers=linked).status_code == 200


def test_its_own_pages_and_programs_may(client: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {}):
        assert client.post(ANALYSES, files={"file": b"x"}, headers=headers).json()["code"] == "not-an-image"


def test_who_names_no_host_is_no_browser(client: TestClient) -> None:
    """Old health checks speak HTTP/1.0. The test client would add a host by itself."""
    scope = {
        "type": "http", "method": "GET", "path": ANALYSES, "query_string": b"", "headers": [], "scheme": "http",
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000), "http_version": "1.0", "root_path": "",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    assert sent[0]["status"] == 200
