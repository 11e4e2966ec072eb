"""What every answer tells a browser, whatever became of the request."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from pellucid.serve.engine import Engine
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser
from tests.serve.test_access import BOOTSTRAP, bearer

# An id that nothing has; the same in every process, since names of tests are made of it.
NOBODY = "01KANJ5V7ZQ4W4X1T0QK8P3M2C"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/analyses", 200),
        ("GET", "/v1/keys", 200),
        ("GET", f"/v1/analyses/{NOBODY}", 404),
        ("POST", "/v1/keys", 422),
        ("PUT", "/v1/analyses", 405),
        ("GET", "/nothing", 404),
        ("POST", "/v1/analyses", 400),
        ("GET", "/healthz", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs/assets/swagger-ui.css", 200),
    ],
)
def test_no_answer_is_sniffed_framed_or_run(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in answer.headers
    assert ("no-store" in answer.headers.get("cache-control", "")) == (path.startswith("/v1/") or status >= 400)


def test_reports_and_pictures_are_in_nobodys_cache(make_app: MakeApp) -> None:
    with TestClient(make_app(Engine(FakeAnalyser(), heatmap=lambda data: b"\x89PNG"))) as client:
        report = client.post("/v1/analyses", content=png())
        place = report.headers["content-location"]
        answers = [
            report, client.get(place), client.get(f"{place}/heatmap"), client.post("/v1/derivatives", content=png()),
            client.get("/v1/search?q=a"), client.get("/v1/bank-matches.csv"), client.get("/v1/statements?format=csv"),
        ]  # fmt: skip
    assert {(answer.status_code, answer.headers["cache-control"]) for answer in answers} == {(200, "no-store")}


def test_a_refusal_for_want_of_a_key_and_a_fault_of_ours_bear_them_too(make_app: MakeApp) -> None:
    def fails(data: bytes) -> bytes:
        raise ZeroDivisionError

    app = make_app(Engine(FakeAnalyser(), heatmap=fails), api_keys=(BOOTSTRAP,))
    with TestClient(app, raise_server_exceptions=False) as client:
        report = client.post("/v1/analyses", content=png(), headers=bearer(BOOTSTRAP)).json()
        answers = [client.get("/v1/keys"), client.get(f"/v1/analyses/{report['id']}/heatmap", headers=bearer(BOOTSTRAP))]
    assert [answer.status_code for answer in answers] == [401, 500]
    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


def test_the_documentation_runs_its_own_script_and_none_beside(client: TestClient) -> None:
    answer = client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert len(scripts) == 1
    wanted = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{wanted}'"
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", answer.text), "something is fetched from elsewhere"
    assert not re.search(r"\son\w+=", answer.text), "a handler inside a tag would not run"


def test_an_address_with_a_slash_too_many_leads_nowhere_else(client: TestClient) -> None:
    """A redirect would name the host that the request named."""
    answer = client.get("/v1/analyses/", follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_the_root_leads_to_the_documentation_of_whatever_host(make_app: MakeApp) -> None:
    with TestClient(make_app(api_keys=(BOOTSTRAP,))) as client:
        answer = client.get("/", headers={"Host": "pictures.example"}, follow_redirects=False)
    assert answer.headers["location"] == "/docs"
