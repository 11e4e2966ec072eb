"""Without keys the service answers programs of its machine: a page that is open in a browser there is none of them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.test_access import BOOTSTRAP, bearer

PAGE = "https://evil.example"


CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        (CROSS_SITE | {"Origin": PAGE}, (403, "foreign-origin")),
        (CROSS_SITE | {"Origin": "null"}, (403, "foreign-origin")),
        ({"Host": "rebound.example:8000"}, (421, "host-refused")),
        ({"Host": "127.0.0.1.evil.example"}, (421, "host-refused")),
        ({"Host": "["}, (421, "host-refused")),
    ],
)
def test_a_page_elsewhere_neither_reads_nor_writes(
    client: TestClient, headers: dict[str, str], answered: tuple[int, str]
) -> None:
    """A form of another site (CSRF), a sandboxed frame, and a name that was pointed to loopback (DNS rebinding)."""
    answers = [
        client.post("/v1/analyses", files={"file": ("a.png", png())}, headers=headers),
        client.post("/v1/keys", json={"name": "evil", "role": "administrator"}, headers=headers),
        client.get("/v1/analyses", headers=headers),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {answered}
    assert client.get("/v1/analyses").json()["items"] == []
    assert client.get("/v1/keys").json()["items"] == []


def test_a_form_cannot_pass_for_json(client: TestClient) -> None:
    """A form of any site can send these types without being asked; JSON has to be announced, which takes leave (CORS)."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post("/v1/keys", content=b'{"name": "x", "role": "platform"}', headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert client.get("/v1/keys").json()["items"] == []


def test_no_other_site_is_given_leave_to_read(client: TestClient) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = client.options("/v1/keys", headers=asked)
    assert answer.status_code == 405
    for given in (answer, client.get("/v1/analyses", headers={"Origin": PAGE})):
        assert not [name for name in given.headers if name.startswith("access-control-")]


def test_who_has_a_key_may_come_from_anywhere(make_app: MakeApp) -> None:
    """No browser sends a bearer key of its own accord."""
    with TestClient(make_app(api_keys=(BOOTSTRAP,))) as client:
        headers = {**bearer(BOOTSTRAP), "Origin": PAGE, "Host": "pictures.example"}
        assert client.get("/v1/analyses", headers=headers).status_code == 200
