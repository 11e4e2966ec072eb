"""A picture in, the report out, and the reports given before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pellucid.base.ids import new_id
from pellucid.serve.engine import Engine
from tests.pictures import jpeg, png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser


def test_answers_a_multipart_file_with_its_name(client: TestClient) -> None:
    answer = client.post("/v1/analyses", files={"file": ("beach.png", png())})
    assert answer.status_code == 200
    assert answer.json()["source"] == "beach.png"
    assert answer.headers["content-location"] == f"/v1/analyses/{answer.json()['id']}"


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "image/png", "application/octet-stream", "application/x-www-form-urlencoded", None]
)
def test_answers_a_raw_body_whatever_its_content_type_says(client: TestClient, kind: str | None) -> None:
    answer = client.post("/v1/analyses", content=jpeg(), headers={"content-type": kind} if kind else {})
    assert answer.json()["image"]["format"] == "JPEG"


def test_passes_the_uploaders_declaration_on(client: TestClient) -> None:
    answer = client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "generated"})
    assert answer.json()["verdict"] == {"label": "generated", "basis": ["claim"], "text": "A fake answer."}


def test_gives_the_same_report_again_by_its_id(client: TestClient) -> None:
    given = client.post("/v1/analyses", content=png()).json()
    assert client.get(f"/v1/analyses/{given['id']}").json() == given


def test_report_and_picture_outlive_the_process(make_app: MakeApp) -> None:
    with TestClient(make_app()) as client:
        given = client.post("/v1/analyses", content=png()).json()
    app = make_app()
    with TestClient(app) as client:
        assert client.get(f"/v1/analyses/{given['id']}").json() == given
        assert app.state.service.store.picture(given["id"]) == png()


def test_nothing_is_stored_of_a_picture_that_is_refused(client: TestClient) -> None:
    assert client.post("/v1/analyses", content=b"no picture").status_code == 415
    assert client.get("/v1/analyses").json() == {"items": [], "next": None}


def test_a_report_that_cannot_be_stored_is_not_given(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    with TestClient(app, raise_server_exceptions=False) as client:
        objects = app.state.service.store.objects.path
        objects.parent.mkdir(exist_ok=True)
        objects.write_text("a file where the folder should be")
        answer = client.post("/v1/analyses", content=png())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


def test_lists_newest_first_in_pages_without_loss(client: TestClient) -> None:
    given = [client.post("/v1/analyses", content=png(seed=seed)).json()["id"] for seed in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get("/v1/analyses", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [report["id"] for report in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(given, reverse=True)


def test_lists_only_what_the_filters_ask_for(client: TestClient) -> None:
    edited = client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "edited"}).json()
    client.post("/v1/analyses", files={"file": ("b.png", png(seed=1))}, data={"declared_ai": "generated"})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    def ids(**filters: str) -> list[str]:
        return [report["id"] for report in client.get("/v1/analyses", params=filters).json()["items"]]

    assert ids(verdict="edited") == [edited["id"]]
    assert ids(verdict="edited", until=tomorrow, decision="allow") == [edited["id"]]
    assert ids(since=tomorrow) == []
    assert ids(decision="block") == []


def test_the_time_of_a_report_can_be_pasted_into_an_address(client: TestClient) -> None:
    earlier, later = (client.post("/v1/analyses", content=png(seed=seed)).json() for seed in range(2))
    assert later["created"].endswith("Z")
    found = client.get(f"/v1/analyses?since={later['created']}").json()["items"]
    assert later in found
    assert all(report["created"] >= later["created"] for report in found)
    assert earlier in client.get(f"/v1/analyses?since={earlier['created']}").json()["items"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "verdict=human", "since=yesterday", "cursor=zzz", "cursor=YmVmb3JlOng"]
)
def test_refuses_filters_that_make_no_sense(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/analyses?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")


def test_an_unknown_id_is_not_found_and_a_bad_one_is_refused(client: TestClient) -> None:
    assert client.get(f"/v1/analyses/{new_id()}").json()["code"] == "not-found"
    assert client.get("/v1/analyses/17").json()["code"] == "invalid-parameter"


def test_heatmap_is_drawn_from_the_stored_picture(make_app: MakeApp) -> None:
    drawn = Engine(FakeAnalyser(), heatmap=lambda data: b"PNG of " + data[:4])
    with TestClient(make_app(drawn)) as client:
        given = client.post("/v1/analyses", content=png()).json()
        answer = client.get(f"/v1/analyses/{given['id']}/heatmap")
    assert (answer.content, answer.headers["content-type"]) == (b"PNG of \x89PNG", "image/png")


def test_a_heatmap_is_drawn_once_for_a_picture_and_a_bundle_and_goes_with_the_picture(make_app: MakeApp) -> None:
    drawn: list[bytes] = []

    def draw(data: bytes) -> bytes:
        drawn.append(data)
        return b"PNG %d" % len(drawn)

    def ask(client: TestClient, analysis_id: str) -> bytes:
        return client.get(f"/v1/analyses/{analysis_id}/heatmap").content

    app = make_app(Engine(FakeAnalyser(), heatmap=draw, bundle="first@1"))
    with TestClient(app) as client:
        given, again = (client.post("/v1/analyses", content=png()).json()["id"] for _ in range(2))
        assert [ask(client, given), ask(client, given), ask(client, again)] == [b"PNG 1"] * 3
    with TestClient(make_app(Engine(FakeAnalyser(), heatmap=draw, bundle="second@2"))) as client:
        assert ask(client, given) == b"PNG 2"
        picture = client.get(f"/v1/analyses/{given}").json()["image"]["sha256"]
        client.app.state.service.store.objects.delete(picture)
        assert client.get(f"/v1/analyses/{given}/heatmap").status_code == 404
    assert len(drawn) == 2


def test_heatmap_is_not_found_where_the_bundle_has_none(client: TestClient) -> None:
    given = client.post("/v1/analyses", content=png()).json()
    assert client.get(f"/v1/analyses/{given['id']}/heatmap").status_code == 404


def test_models_lists_what_is_loaded(make_app: MakeApp) -> None:
    app: FastAPI = make_app(Engine(FakeAnalyser()))
    with TestClient(app) as client:
        assert client.get("/v1/models").json() == {"models": []}


def test_the_uploaders_declaration_is_kept_in_the_report_and_beside_it(make_app: MakeApp) -> None:
    app = make_app()
    with TestClient(app) as client:
        sent = client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "edited"}).json()
        stored = client.get(f"/v1/analyses/{sent['id']}").json()
        assert [(piece["source"], piece["says"]) for piece in stored["evidence"]] == [("uploader", "edited")]
        assert app.state.service.store.standing(sent["id"]).declared == "edited"
