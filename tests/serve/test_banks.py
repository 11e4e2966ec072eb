"""Hash banks over the API: imported, listed, removed; what they block is shown to nobody and is logged."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.testclient import TestClient

from pellucid.analyse.facts import pdq_of
from pellucid.serve.engine import Engine
from pellucid.serve.known import StoredHashes
from pellucid.store.audit import entries as audited
from pellucid.store.database import writing
from pellucid.store.tables import hashes
from tests.pictures import flat, jpeg, png, saved, scene
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

ADMIN = "0123456789abcdef"
RULE = {"action": "block", "reason": "On the list."}


def headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def analyser() -> FakeAnalyser:
    return FakeAnalyser()


@pytest.fixture
def app(make_app: MakeApp, analyser: FakeAnalyser) -> FastAPI:
    return make_app(Engine(analyser, heatmap=lambda data: b"drawn", setup=lambda: "s1"), api_keys=(ADMIN,))


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers=headers(ADMIN)) as client:
        yield client


def put(client: TestClient, name: str = "known", seed: int = 0, **rule: Any) -> dict[str, Any]:
    body = f"{pdq_of(scene(seed=seed))[0]},case-{seed},,\n"
    answer = client.put(f"/v1/banks/{name}", params=RULE | rule, content=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def send(client: TestClient, data: bytes) -> dict[str, Any]:
    answer = client.post("/v1/analyses", files={"file": ("a.jpg", data)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_bank_is_imported_listed_and_removed(client: TestClient, app: FastAPI) -> None:
    made = put(client)
    assert (made["name"], made["version"], made["entries"], made["bound"]) == ("known", 1, 1, 31)
    assert put(client, bound=12)["version"] == 2
    assert [bank["bound"] for bank in client.get("/v1/banks").json()["items"]] == [12]
    assert client.get("/v1/banks/known").json()["action"] == "block"
    assert client.delete("/v1/banks/known").status_code == 204
    assert client.get("/v1/banks/known").status_code == 404
    done = [entry.action for entry in audited(app.state.service.store.database)]
    assert done == ["bank.imported", "bank.imported", "bank.removed"]


def test_a_picture_on_a_blocking_bank_is_blocked_unseen_and_logged(client: TestClient, analyser: FakeAnalyser) -> None:
    put(client)
    report = send(client, jpeg(quality=70))
    assert analyser.begun == []
    assert (report["moderation"]["decision"], report["moderation"]["rule"]) == ("block", "bank:known")
    assert report["moderation"]["policy"] == "bank:known@1"
    (match,) = report["matches"]
    assert (match["bank"], match["reference"], match["hash"]) == ("known", "case-0", pdq_of(scene())[0])
    assert match["distance"] <= 31
    assert (report["inference"], report["caption"], report["tags"]) == (None, None, [])
    heatmap = client.get(f"/v1/analyses/{report['id']}/heatmap")
    assert (heatmap.status_code, heatmap.json()["code"]) == (451, "picture-withheld")
    (logged,) = client.get("/v1/bank-matches").json()["items"]
    assert (logged["analysis"], logged["match"], logged["source"]) == (report["id"], match, "a.jpg")
    assert client.get("/v1/analyses", params={"decision": "block"}).json()["items"][0]["id"] == report["id"]


@pytest.mark.parametrize("data", [png(seed=1), saved(flat(), "PNG")], ids=["another picture", "a flat picture"])
def test_other_pictures_are_answered_as_ever(client: TestClient, data: bytes) -> None:
    put(client)
    report = send(client, data)
    assert report["matches"] == []
    assert report["moderation"]["decision"] == "allow"
    assert client.get(f"/v1/analyses/{report['id']}/heatmap").content == b"drawn"


def test_a_picture_that_was_allowed_is_blocked_once_a_bank_lists_it(client: TestClient) -> None:
    assert send(client, png())["moderation"]["decision"] == "allow"
    put(client)
    assert send(client, png())["moderation"]["decision"] == "block"


def test_bytes_stored_before_the_bank_came_are_withheld_by_todays_list(make_app: MakeApp) -> None:
    class Hashing(FakeAnalyser):
        def analyse(self, *given: Any) -> Any:
            found = super().analyse(*given)
            pdq, quality = pdq_of(scene())
            image = found.report.image.model_copy(update={"pdq": pdq, "pdq_quality": quality})
            return type(found)(found.report.model_copy(update={"image": image}), found.embedding)

    with TestClient(make_app(Engine(Hashing(), heatmap=lambda data: b"drawn"))) as client:
        before = send(client, png())["id"]
        assert client.get(f"/v1/analyses/{before}/heatmap").status_code == 200
        put(client, action="review")
        assert client.get(f"/v1/analyses/{before}/heatmap").status_code == 200
        put(client)
        assert client.get(f"/v1/analyses/{before}/heatmap").json()["code"] == "picture-withheld"


def test_a_bank_imported_by_another_process_holds_from_the_next_picture_on(
    make_app: MakeApp, client: TestClient, tmp_path: Any
) -> None:
    """Two applications on one database."""
    assert send(client, png())["moderation"]["decision"] == "allow"
    with TestClient(make_app(api_keys=(ADMIN,)), headers=headers(ADMIN)) as other:
        put(other)
    assert send(client, png())["moderation"]["decision"] == "block"
    client.delete("/v1/banks/known")
    assert send(client, png())["moderation"]["decision"] == "allow"


def test_a_reviewing_bank_sends_to_review_and_shows_the_picture(client: TestClient) -> None:
    put(client, action="review")
    report = send(client, png())
    assert (report["moderation"]["decision"], report["caption"]["text"]) == ("review", "A fake picture.")
    assert client.get(f"/v1/analyses/{report['id']}/heatmap").status_code == 200


def test_matches_are_paged_filtered_and_exported(client: TestClient) -> None:
    put(client)
    put(client, "seen", seed=1, action="note")
    ids = [send(client, data)["id"] for data in (png(), png(seed=1), jpeg())]
    first = client.get("/v1/bank-matches", params={"limit": 2}).json()
    second = client.get("/v1/bank-matches", params={"limit": 2, "after": first["next"]}).json()
    assert [item["analysis"] for item in first["items"] + second["items"]] == ids
    assert second["next"] is None
    assert [item["analysis"] for item in client.get("/v1/bank-matches?action=note").json()["items"]] == [ids[1]]
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/bank-matches.csv?bank=known").text)))
    assert [row["analysis"] for row in rows] == [ids[0], ids[2]]
    assert rows[0]["reference"] == "case-0"


def test_a_source_that_a_spreadsheet_would_run_is_disarmed(client: TestClient) -> None:
    put(client)
    client.post("/v1/analyses", files={"file": ("=HYPERLINK(1)", png())})
    (row,) = csv.DictReader(io.StringIO(client.get("/v1/bank-matches.csv").text))
    assert row["source"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("role", "call", "status"),
    [
        ("platform", ("GET", "/v1/banks"), 403),
        ("platform", ("GET", "/v1/bank-matches"), 403),
        ("moderator", ("GET", "/v1/banks"), 200),
        ("moderator", ("GET", "/v1/bank-matches"), 200),
        ("moderator", ("PUT", "/v1/banks/a?action=note&reason=x"), 403),
        ("moderator", ("DELETE", "/v1/banks/a"), 403),
    ],
)
def test_moderators_may_look_and_only_admins_may_change(
    client: TestClient, role: str, call: tuple[str, str], status: int
) -> None:
    made = client.post("/v1/keys", json={"name": "someone", "role": role}).json()
    assert client.request(*call, headers=headers(made["key"])).status_code == status


@pytest.mark.parametrize(
    ("name", "rule", "body", "code"),
    [
        ("known", {}, b"not a hash\n", "bad-exchange-file"),
        ("known", {}, b"", "empty-body"),
        ("known", {"bound": 48}, b"x", "invalid-parameter"),
        ("known", {"action": "burn"}, b"x", "invalid-parameter"),
        ("Known", {}, b"x", "invalid-parameter"),
    ],
)
def test_what_is_no_list_or_no_rule_is_refused(
    client: TestClient, name: str, rule: dict[str, Any], body: bytes, code: str
) -> None:
    assert client.put(f"/v1/banks/{name}", params=RULE | rule, content=body).json()["code"] == code
    assert client.get("/v1/banks").json() == {"items": []}


def test_the_same_bytes_again_are_answered_without_a_model(client: TestClient, analyser: FakeAnalyser) -> None:
    first, again = send(client, png()), send(client, png())
    assert len(analyser.begun) == 1
    assert again["id"] != first["id"]
    assert "cache" in again["timing_ms"]
    assert "cache" not in first["timing_ms"]
    assert client.get(f"/v1/analyses/{again['id']}").json() == again
    ignored = ("id", "created", "timing_ms")
    assert {k: v for k, v in first.items() if k not in ignored} == {k: v for k, v in again.items() if k not in ignored}


def test_another_declaration_is_another_question(client: TestClient, analyser: FakeAnalyser) -> None:
    send(client, png())
    client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "generated"})
    assert len(analyser.begun) == 2


@pytest.mark.parametrize("change", ["setup", "off", "deleted"])
def test_a_changed_setup_the_setting_or_a_deletion_asks_the_models_again(make_app: MakeApp, change: str) -> None:
    analyser, setup = FakeAnalyser(), ["s1"]
    engine = Engine(analyser, setup=lambda: setup[0])
    with TestClient(make_app(engine, reuse_answers=change != "off")) as client:
        first = send(client, png())
        setup[0] = "s2" if change == "setup" else "s1"
        if change == "deleted":
            assert client.delete(f"/v1/analyses/{first['id']}").status_code == 204
        send(client, png())
    assert len(analyser.begun) == 2


def test_embeddings_are_kept_for_answers_used_again(client: TestClient, app: FastAPI) -> None:
    ids = [send(client, png())["id"] for _ in range(2)]
    kept = [app.state.service.store.embedding(each) for each in ids]
    assert kept[1] is not None
    assert (kept[0] == kept[1]).all()


@pytest.fixture
def hashing(make_app: MakeApp) -> Iterator[TestClient]:
    """An application whose reports hold the pictures' real hashes."""

    class Hashing(FakeAnalyser):
        def analyse(self, data: bytes, source: Any = None, declared: Any = None, decoded: Any = None) -> Any:
            found = super().analyse(data, source, declared, decoded)
            pdq, quality = pdq_of(decoded.image)
            image = found.report.image.model_copy(update={"pdq": pdq, "pdq_quality": quality})
            return type(found)(found.report.model_copy(update={"image": image}), found.embedding)

    with TestClient(make_app(Hashing())) as client:
        yield client


def test_duplicates_are_the_same_bytes_and_near_hashes_with_distance_cosine_and_why(
    hashing: TestClient,
) -> None:
    client = hashing
    first, other, same = send(client, png()), send(client, png(seed=1)), send(client, png())
    near = send(client, jpeg(quality=60))
    found = client.get(f"/v1/analyses/{first['id']}/duplicates").json()["items"]
    assert [item["analysis"] for item in found] == [same["id"], near["id"]]
    assert found[0]["relation"] == "same_bytes"
    assert found[1]["relation"] == "near"
    assert 0 < found[1]["distance"] <= 31
    assert found[1]["cosine"] == 1.0
    assert f"differ in {found[1]['distance']} of 256 bits" in found[1]["why"]
    assert found[1]["hash"] == near["image"]["pdq"]
    assert client.get(f"/v1/analyses/{other['id']}/duplicates").json()["items"] == []
    assert len(client.get(f"/v1/analyses/{first['id']}/duplicates?limit=1").json()["items"]) == 1
    client.delete(f"/v1/analyses/{near['id']}")
    assert [item["analysis"] for item in client.get(f"/v1/analyses/{first['id']}/duplicates").json()["items"]] == [same["id"]]


def test_flat_pictures_have_no_near_ones(hashing: TestClient) -> None:
    client = hashing
    first = send(client, saved(flat(), "PNG"))
    send(client, saved(flat(width=80), "PNG"))
    assert client.get(f"/v1/analyses/{first['id']}/duplicates").json()["items"] == []


def test_hashes_are_found_in_the_index_as_in_its_tail(app: FastAPI, client: TestClient) -> None:
    store = app.state.service.store
    stored = StoredHashes(store, largest_tail=2)
    for round_of_three in range(3):
        with writing(store.database) as connection:
            rows = [{"analysis": f"{round_of_three}{place}", "pdq": bytes(31) + bytes([place])} for place in range(3)]
            connection.execute(insert(hashes), rows)
        found = stored.near_to("00", 31)
        assert sorted(found.values()) == sorted([0, 1, 1] * (round_of_three + 1))
