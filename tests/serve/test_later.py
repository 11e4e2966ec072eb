"""Answers that come later, requests that are sent again, and what became of pictures that could not be answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.errors import ConfigError, PellucidError, error_of
from pellucid.base.settings import Settings
from pellucid.serve.pending import wants_later
from pellucid.store.store import Incoming, Store
from tests.pictures import jpeg, png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser, FakeAnalysis

LATER = {"Prefer": "respond-async"}


class Failing(FakeAnalyser):
    """A model that fails at pictures of the name `bad…`, the first `times` times."""

    times = 10**6

    def analyse(self, data: bytes, source: str | None = None, declared: str | None = None, decoded: Any = None) -> FakeAnalysis:
        if (source or "").startswith("bad") and self.begun.count(source) < self.times:
            self.begun.append(source)
            raise RuntimeError("the model fell over")
        return super().analyse(data, source, declared)


def wait_for(client: TestClient, location: str, status: int = 200) -> dict[str, object]:
    until = time.monotonic() + 30
    while (answer := client.get(location)).status_code != status:
        assert answer.status_code == 202, answer.text
        assert time.monotonic() < until
        time.sleep(0.02)
    return answer.json()  # type: ignore[no-any-return]


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_client_that_prefers_so_is_answered_later(make_app: MakeApp) -> None:
    analyser = FakeAnalyser()
    analyser.gate.clear()
    with TestClient(make_app(analyser)) as client:
        accepted = client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "edited"}, headers=LATER)
        assert accepted.status_code == 202
        assert accepted.headers["preference-applied"] == "respond-async"
        location = accepted.headers["location"]
        assert accepted.json() == {**client.get(location).json(), "location": location}
        assert client.get(location).status_code == 202
        analyser.gate.set()
        report = wait_for(client, location)
    assert (report["id"], report["source"]) == (accepted.json()["id"], "a.png")
    assert report["created"] == accepted.json()["created"]
    assert report["verdict"]["label"] == "edited"  # type: ignore[index]


@pytest.mark.parametrize(
    ("preference", "later"),
    [
        ("respond-async", True), ("Respond-Async", True), ("respond-async, wait=10", True), ("wait=10,respond-async", True),
        ("return=minimal", False), ("respond-asynchronously", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_reads_the_preference_as_its_standard_says(preference: str | None, later: bool) -> None:
    assert wants_later(preference) is later


def test_a_picture_is_accepted_for_later_while_no_model_is_loaded(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, bundle=tmp_path)
    with TestClient(create_app(settings)) as client:
        location = client.post("/v1/analyses", content=png(), headers=LATER).headers["location"]
        assert client.get(location).status_code == 202
    with TestClient(create_app(settings, FakeAnalyser())) as client:
        assert wait_for(client, location)["caption"] == {"text": "A fake picture.", "score": None}


def test_what_is_no_picture_is_refused_before_it_is_accepted(client: TestClient) -> None:
    answer = client.post("/v1/analyses", content=b"no picture", headers=LATER)
    assert (answer.status_code, answer.json()["code"]) == (415, "not-an-image")


def test_the_queue_has_an_end(make_app: MakeApp) -> None:
    with TestClient(make_app(role="api", backlog_limit=2)) as client:
        answers = [client.post("/v1/analyses", content=png(seed=seed), headers=LATER) for seed in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 503]
    assert answers[2].headers["retry-after"] == "1"


def test_the_api_leaves_the_queue_to_workers(make_app: MakeApp, tmp_path: Path) -> None:
    with TestClient(make_app(role="api")) as client:
        location = client.post("/v1/analyses", content=png(), headers=LATER).headers["location"]
        time.sleep(0.7)
        assert client.get(location).status_code == 202
        with TestClient(make_app(role="worker")) as worker:
            assert worker.get("/healthz").status_code == 200
            assert worker.post("/v1/analyses", content=png()).status_code == 404
            wait_for(client, location)


def test_a_worker_takes_up_what_a_dead_process_had_in_hand(make_app: MakeApp, tmp_path: Path) -> None:
    dead = Store.open(tmp_path / "data", lease_s=0.5)
    accepted = dead.accept_and_take(Incoming(png(), "left.png"))
    dead.close()
    with TestClient(make_app()) as client:
        assert wait_for(client, f"/v1/analyses/{accepted.id}")["source"] == "left.png"


def test_a_broken_picture_that_waits_for_its_answer_fails_with_the_reason_kept(make_app: MakeApp) -> None:
    app = make_app()
    with TestClient(app) as client:
        location = client.post("/v1/analyses", content=jpeg()[:200], headers=LATER).headers["location"]
        problem = wait_for(client, location, status=409)
        assert problem["code"] == "analysis-failed"
        assert "broken-image" in str(problem["detail"])
        assert app.state.service.store.standing(location.rpartition("/")[2]).sha256 is None


def test_a_mistake_of_ours_is_tried_again(make_app: MakeApp) -> None:
    analyser = Failing()
    analyser.times = 1
    app = make_app(analyser)
    with TestClient(app) as client:
        location = client.post("/v1/analyses", files={"file": ("bad.png", png())}, headers=LATER).headers["location"]
        wait_until(lambda: b'pellucid_jobs_total{outcome="retried"} 1.0' in client.get("/metrics").content)
        wait_for(client, location)
    assert analyser.begun == ["bad.png", "bad.png"]


def test_a_picture_that_always_fails_ends_as_failed(make_app: MakeApp) -> None:
    with TestClient(make_app(Failing(), job_attempts=1)) as client:
        location = client.post("/v1/analyses", files={"file": ("bad.png", png())}, headers=LATER).headers["location"]
        assert "internal" in str(wait_for(client, location, status=409)["detail"])


def test_a_picture_that_kills_processes_is_given_up(make_app: MakeApp, tmp_path: Path) -> None:
    analyser = FakeAnalyser()
    store = Store.open(tmp_path / "data")
    accepted = store.accept(Incoming(png()))
    for _ in range(3):
        store.queue.take("analyse", 1)
        store.queue.give_up()
    store.close()
    with TestClient(make_app(analyser, job_attempts=3)) as client:
        assert "gave-up: begun 3 times" in str(wait_for(client, f"/v1/analyses/{accepted.id}", status=409)["detail"])
    assert analyser.begun == []


def test_a_request_that_failed_is_not_tried_again_behind_its_clients_back(make_app: MakeApp) -> None:
    analyser = Failing()
    with TestClient(make_app(analyser), raise_server_exceptions=False) as client:
        assert client.post("/v1/analyses", files={"file": ("bad.png", png())}).status_code == 500
        time.sleep(0.7)
    assert analyser.begun == ["bad.png"]


def test_the_same_request_with_the_same_key_gets_the_same_answer(make_app: MakeApp) -> None:
    analyser = FakeAnalyser()
    key = {"Idempotency-Key": "upload-17"}
    with TestClient(make_app(analyser)) as client:
        first = client.post("/v1/analyses", content=png(), headers=key)
        again = client.post("/v1/analyses", content=png(), headers=key)
        later = client.post("/v1/analyses", content=png(), headers=key | LATER)
        assert again.json() == first.json()
        assert later.json()["id"] == first.json()["id"]
        other = client.post("/v1/analyses", content=png(seed=2), headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    assert len(analyser.begun) == 1


def test_a_key_of_another_caller_is_another_key(make_app: MakeApp) -> None:
    keys = ("0123456789abcdef", "fedcba9876543210")
    with TestClient(make_app(api_keys=keys)) as client:
        headers = [{"Idempotency-Key": "1", "Authorization": f"Bearer {key}"} for key in keys]
        answers = [client.post("/v1/analyses", content=png(), headers=each) for each in headers]
    assert len({answer.json()["id"] for answer in answers}) == 2


def test_a_failure_is_the_answer_to_its_key_as_well(make_app: MakeApp) -> None:
    analyser = FakeAnalyser()
    key = {"Idempotency-Key": "1"}
    with TestClient(make_app(analyser)) as client:
        answers = [client.post("/v1/analyses", content=jpeg()[:200], headers=key) for _ in range(2)]
    assert [answer.json()["code"] for answer in answers] == ["broken-image"] * 2


@pytest.mark.parametrize("key", ["", "x" * 256, "two words"])
def test_refuses_keys_that_are_none(client: TestClient, key: str) -> None:
    answer = client.post("/v1/analyses", content=png(), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")


def test_a_deleted_picture_is_gone_from_every_call(make_app: MakeApp) -> None:
    app = make_app()
    with TestClient(app) as client:
        given = client.post("/v1/analyses", content=png()).json()
        where = f"/v1/analyses/{given['id']}"
        assert client.delete(where).status_code == 204
        assert client.delete(where).status_code == 204
        assert (client.get(where).status_code, client.get(where).json()["code"]) == (410, "deleted")
        assert client.get("/v1/analyses").json()["items"] == []
        assert not app.state.service.store.objects.has(given["image"]["sha256"])


def test_what_is_over_goes_while_the_service_runs(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text('name = "r"\nversion = 1\n[[rules]]\nname = "all"\ndays = 0\n')
    with TestClient(make_app(retention=tmp_path / "retention.toml", sweep_minutes=0.005)) as client:
        where = f"/v1/analyses/{client.post('/v1/analyses', content=png()).json()['id']}"
        wait_until(lambda: client.get(where).status_code == 410)


def test_a_wrong_retention_policy_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text("name = 1\n")
    with pytest.raises(ConfigError, match=r"retention\.toml:1: name"):
        create_app(Settings(data_dir=tmp_path, retention=tmp_path / "retention.toml"))


def test_a_kept_error_is_the_error_again() -> None:
    found = error_of("broken-image", "cut short")
    assert (type(found).__name__, found.status, found.detail) == ("BrokenImage", 422, "cut short")
    assert type(error_of("of-another-version", "x")) is PellucidError


def test_the_embedding_is_kept_of_what_was_answered_later(make_app: MakeApp) -> None:
    app = make_app()
    with TestClient(app) as client:
        location = client.post("/v1/analyses", content=png(), headers=LATER).headers["location"]
        wait_for(client, location)
        found = app.state.service.store.embedding(location.rpartition("/")[2])
    assert np.allclose(found, 0.25)


def test_a_key_used_again_for_later_gives_the_answer_that_is_there(client: TestClient) -> None:
    headers = {**LATER, "Idempotency-Key": "upload-1"}
    accepted = client.post("/v1/analyses", content=png(), headers=headers)
    assert accepted.status_code == 202
    report = wait_for(client, accepted.headers["location"])
    again = client.post("/v1/analyses", content=png(), headers=headers)
    assert (again.status_code, again.json()) == (200, report)
    assert again.headers["content-location"] == accepted.headers["location"]
    assert "preference-applied" not in again.headers, "it was answered at once"


def test_a_key_used_again_for_later_gives_the_failure_that_is_there(make_app: MakeApp) -> None:
    headers = {**LATER, "Idempotency-Key": "upload-1"}
    with TestClient(make_app()) as client:
        location = client.post("/v1/analyses", content=jpeg()[:200], headers=headers).headers["location"]
        wait_until(lambda: client.get(location).status_code == 409)
        again = client.post("/v1/analyses", content=jpeg()[:200], headers=headers)
        assert (again.status_code, again.json()["code"]) == (422, "broken-image")
        client.delete(location)
        assert client.post("/v1/analyses", content=jpeg()[:200], headers=headers).status_code == 410
