"""Search over HTTP: what was analysed is found by its words and by pictures, in pages, and nothing typed is a mistake of ours."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pellucid.serve.engine import Engine
from pellucid.serve.search import CURSORS
from pellucid.store.cursors import REPORTS
from pellucid.store.search import Place
from tests.pictures import jpeg
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser


@pytest.fixture
def filled(make_app: MakeApp) -> Iterator[TestClient]:
    """Five pictures, and an engine that can embed."""
    engine = Engine(FakeAnalyser(), embed=lambda _: np.full(512, 0.5, dtype=np.float32))
    with TestClient(make_app(engine)) as client:
        for seed in range(5):
            assert client.post("/v1/analyses", content=jpeg(seed=seed)).status_code == 200
        yield client


def test_finds_what_was_analysed_and_says_what_matched(filled: TestClient) -> None:
    found = filled.get("/v1/search", params={"q": "fakes", "limit": 1}).json()
    (item,) = found["items"]
    assert item["highlights"] == {"caption": ["A ", "fake", " picture."], "tags": ["fake"], "ocr": []}
    assert item["report"] == filled.get(f"/v1/analyses/{item['report']['id']}").json()


def test_pages_follow_each_other_to_the_end(filled: TestClient) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = filled.get("/v1/search", params={"q": "picture", "limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["report"]["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 5


def test_filters_and_unknown_filters(filled: TestClient) -> None:
    def count(**asked: str) -> int:
        return len(filled.get("/v1/search", params={"q": "fake", **asked}).json()["items"])

    assert count(tag="fake") == 5
    assert count(tag="dog") == count(decision="block") == count(until="2000-01-01T00:00:00Z") == 0
    assert count(verdict="generated") + count(verdict="no_ai_found") == 5
    refused = filled.get("/v1/search", params={"q": "fake", "colour": "red"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-parameter")


def test_similar_pictures_by_analysis_and_by_picture(filled: TestClient) -> None:
    first = filled.get("/v1/analyses").json()["items"][0]["id"]
    alike = filled.get(f"/v1/analyses/{first}/similar").json()["items"]
    assert len(alike) == 4
    assert first not in [one["report"]["id"] for one in alike]
    by_picture = filled.post("/v1/search", params={"limit": 3}, content=jpeg(seed=1)).json()["items"]
    assert [one["cosine"] for one in by_picture] == pytest.approx([1.0] * 3, abs=1e-3)
    assert len(filled.get("/v1/analyses").json()["items"]) == 5


def test_pictures_that_are_none_and_analyses_that_are_not_there(filled: TestClient, make_app: MakeApp) -> None:
    assert filled.get("/v1/analyses/01KANJ5V7ZQ4W4X1T0QK8P3M2C/similar").json()["code"] == "not-found"
    with TestClient(make_app(FakeAnalyser())) as without:
        assert without.post("/v1/search", content=jpeg(seed=1)).json()["code"] == "not-found"


OTHERS = CURSORS.write(Place(-1, 5)), CURSORS.write(Place(10**30, 5)), REPORTS.write("01KANJ5V7ZQ4W4X1T0QK8P3M2C")


@pytest.mark.parametrize("cursor", ["nonsense", "c2VhcmNoOjE6", *OTHERS, "é"])
def test_refuses_cursors_of_others(filled: TestClient, cursor: str) -> None:
    assert filled.get("/v1/search", params={"q": "fake", "cursor": cursor}).json()["code"] == "invalid-parameter"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(raw=st.binary(max_size=60), words=st.text(max_size=60))
def test_whatever_is_asked_is_answered_or_refused(filled: TestClient, raw: bytes, words: str) -> None:
    for asked in (quote(raw), quote(words, errors="replace"), quote(f'"{words}* OR NEAR(')):
        assert filled.get(f"/v1/search?q={asked}&tag={asked}").status_code < 500


def test_a_query_that_is_too_long_is_refused(filled: TestClient) -> None:
    assert filled.get("/v1/search", params={"q": "x" * 2001}).status_code == 422
