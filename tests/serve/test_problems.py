"""Every error is a problem detail with a stable code, and says how to go on."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient

from pellucid.base.errors import BundleError, PellucidError
from pellucid.base.ids import new_id
from pellucid.serve.engine import Engine
from pellucid.serve.problems import Problem
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

KEY = "0123456789abcdef"


class Broken(FakeAnalyser):
    """Fails as a bug of ours would."""

    def analyse(self, *given: object) -> None:  # type: ignore[override]
        raise ZeroDivisionError("secret of the inside")


def test_every_error_is_a_problem_of_its_code(client: TestClient) -> None:
    asked = [
        client.get("/nope"),
        client.get("/docs/assets/nope.js"),
        client.put("/v1/analyses"),
        client.get("/v1/analyses/x"),
        client.get(f"/v1/analyses/{new_id()}"),
        client.post("/v1/analyses", content=b""),
        client.post("/v1/analyses", content=b"text"),
    ]
    codes = []
    for answer in asked:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = Problem.model_validate(answer.json())
        assert problem.status == answer.status_code
        assert problem.type.endswith(problem.code)
        assert problem.instance == answer.request.url.path
        codes.append(problem.code)
    assert codes == [
        "not-found", "not-found", "method-not-allowed", "invalid-parameter", "not-found", "empty-body", "not-an-image",
    ]  # fmt: skip


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    assert client.delete("/v1/analyses").headers["allow"] == "GET, POST"
    assert client.post("/healthz").headers["allow"] == "GET"


def test_json_that_does_not_say_so_is_told_how(client: TestClient) -> None:
    name = client.post("/v1/analyses", content=png()).json()["id"]
    answer = client.post(f"/v1/analyses/{name}/flags", content=b'{"says": "generated"}')
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert "send the header Content-Type: application/json" in answer.json()["detail"]
    text = client.post(f"/v1/analyses/{name}/flags", content=b'{"says": "generated"}', headers={"Content-Type": "text/json"})
    assert "send the header" in text.json()["detail"]
    typed = client.post(f"/v1/analyses/{name}/flags", content=b'"generated"', headers={"Content-Type": "application/json"})
    assert "send the header" not in typed.json()["detail"]


def test_a_mistake_of_ours_tells_nothing_of_the_inside(make_app: MakeApp) -> None:
    with TestClient(make_app(Broken()), raise_server_exceptions=False) as client:
        answer = client.post("/v1/analyses", content=png())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


def test_a_bundle_found_damaged_while_serving_is_our_mistake_too(make_app: MakeApp) -> None:
    def fail(data: bytes) -> bytes:
        raise BundleError("the path of the bundle")

    with TestClient(make_app(Engine(FakeAnalyser(), heatmap=fail)), raise_server_exceptions=False) as client:
        given = client.post("/v1/analyses", content=png()).json()
        answer = client.get(f"/v1/analyses/{given['id']}/heatmap")
    assert answer.json()["detail"] == PellucidError.title


def test_with_keys_only_their_holders_are_answered(make_app: MakeApp) -> None:
    app: FastAPI = make_app(api_keys=(KEY, "another key of sixteen"))
    with TestClient(app) as client:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEY}"},
            {"Authorization": "Bearer ключ"},
        ):
            encoded = {name: value.encode() for name, value in headers.items()}
            answer = client.post("/v1/analyses", content=png(), headers=encoded)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert client.get("/healthz").status_code == 200
