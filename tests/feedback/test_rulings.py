"""A ruling overrides at once, closes what is open, is corrected and never lost; two moderators where the policy says so."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from pellucid.base.ids import new_id
from pellucid.runtime.reencode import RE_ENCODINGS
from pellucid.store.audit import entries
from pellucid.store.database import writing
from tests.feedback.conftest import FAKE, REAL, appeal, flag, report, rule, upload
from tests.pictures import saved, scene


def test_a_ruling_overrides_the_verdict_and_leaves_the_inference_to_be_seen(client: TestClient) -> None:
    before = upload(client)
    assert before["verdict"]["label"] == "generated"
    made = rule(client, before["id"], REAL | {"reply": "We are sorry."})
    after = report(client, before["id"])
    assert after["verdict"] == {
        "label": "no_ai_found",
        "basis": ["ruling"],
        "text": "No AI was found: a moderator has decided so on this picture.",
    }
    assert after["inference"] == before["inference"]
    assert (after["ruling"]["id"], after["ruling"]["how"], after["ruling"]["reply"]) == (made["id"], "ruled", "We are sorry.")
    assert made["actor"] == "local/ann"
    assert (made["state"], made["stood"], made["machine"]) == ("in_force", "generated", "generated")


def test_lists_are_filtered_by_the_verdict_that_was_ruled(client: TestClient) -> None:
    name = upload(client)["id"]
    rule(client, name, REAL)
    assert [each["id"] for each in client.get("/v1/analyses?verdict=no_ai_found").json()["items"]] == [name]
    assert client.get("/v1/analyses?verdict=generated").json()["items"] == []


def test_a_ruling_wins_over_the_uploaders_own_word(client: TestClient) -> None:
    name = upload(client, declared_ai="generated")["id"]
    rule(client, name, {"verdict": "captured", "reason": "Declared by mistake."})
    assert report(client, name)["verdict"]["label"] == "captured"


def test_a_ruling_closes_appeal_and_flags(client: TestClient) -> None:
    name = upload(client)["id"]
    flag(client, name), appeal(client, name)
    made = rule(client, name, FAKE)
    (closed,) = client.get(f"/v1/analyses/{name}/appeals").json()["items"]
    assert (closed["state"], closed["ruling"], closed["stood"]) == ("closed", made["id"], "generated")
    assert [each["state"] for each in client.get(f"/v1/analyses/{name}/flags").json()["items"]] == ["closed"]
    appeal(client, name, "I still object.")


def test_a_ruling_that_fails_half_way_changes_nothing(client: TestClient) -> None:
    name = upload(client)["id"]
    appeal(client, name)
    database = client.app.state.desk.store.database  # type: ignore[attr-defined]
    with writing(database) as connection:
        connection.execute(text("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the log is full'); END"))
    with pytest.raises(IntegrityError, match="full"):
        rule(client, name, REAL)
    assert report(client, name)["verdict"]["basis"] == ["inference"]
    assert client.get(f"/v1/analyses/{name}/appeals").json()["items"][0]["state"] == "open"
    assert client.get(f"/v1/analyses/{name}/rulings").json()["items"] == []


def test_every_change_has_its_entry_in_the_audit_log(client: TestClient) -> None:
    name = upload(client)["id"]
    flag(client, name), appeal(client, name), rule(client, name, REAL)
    told = [(entry.actor, entry.action) for entry in entries(client.app.state.desk.store.database) if entry.subject == name]  # type: ignore[attr-defined]
    assert told == [("local", "flag.made"), ("local", "appeal.made"), ("local/ann", "ruling.made")]


def test_one_appeal_at_a_time(client: TestClient) -> None:
    name = upload(client)["id"]
    appeal(client, name)
    answer = client.post(f"/v1/analyses/{name}/appeals", json={"reason": "Again."})
    assert (answer.status_code, answer.json()["code"]) == (409, "appeal-open")


def test_a_later_ruling_corrects_and_both_are_kept(client: TestClient) -> None:
    name = upload(client)["id"]
    rule(client, name, REAL), rule(client, name, FAKE, "bob")
    found = client.get(f"/v1/analyses/{name}/rulings").json()["items"]
    assert [(each["verdict"], each["state"]) for each in found] == [("no_ai_found", "corrected"), ("generated", "in_force")]
    assert (found[1]["stood"], found[1]["machine"]) == ("no_ai_found", "generated")
    assert report(client, name)["verdict"]["label"] == "generated"
    assert len([each for each in report(client, name)["evidence"] if each["kind"] == "ruling"]) == 1


def test_a_ruling_may_decide_what_to_do_with_the_picture(client: TestClient) -> None:
    name = upload(client)["id"]
    rule(client, name, FAKE | {"decision": "block"})
    assert {key: report(client, name)["moderation"][key] for key in ("decision", "rule", "policy")} == {
        "decision": "block", "rule": "ruling", "policy": "recourse@1",
    }  # fmt: skip
    rule(client, name, REAL)
    assert report(client, name)["moderation"]["rule"] == "default"


def test_names_that_are_unknown_and_wishes_that_make_no_sense_are_refused(client: TestClient) -> None:
    assert client.post(f"/v1/analyses/{new_id()}/rulings", json=REAL).status_code == 404
    name = upload(client)["id"]
    for wish in ({"verdict": "unsure", "reason": "?"}, {"verdict": "generated", "reason": " "}, REAL | {"actor": "a/b"}):
        assert client.post(f"/v1/analyses/{name}/rulings", json=wish).json()["code"] == "invalid-parameter"


def test_each_call_asks_for_its_scope_and_keeps_the_keys_name(client: TestClient) -> None:
    name = upload(client)["id"]
    wish = {"name": "sam", "scopes": ["appeal"]}
    client.headers["Authorization"] = f"Bearer {client.post('/v1/keys', json=wish).json()['key']}"
    assert appeal(client, name)["actor"] == "sam"
    for method, path in (("POST", "rulings"), ("POST", "flags"), ("GET", "appeals"), ("GET", "statement")):
        answer = client.request(method, f"/v1/analyses/{name}/{path}", json=REAL if method == "POST" else None)
        assert answer.json()["code"] == "forbidden", path
    assert client.get("/v1/queue").status_code == 403


def test_what_overturns_waits_for_a_second_moderator(two: TestClient) -> None:
    name = upload(two)["id"]
    appeal(two, name)
    assert rule(two, name, REAL)["state"] == "waiting"
    assert report(two, name)["verdict"]["label"] == "generated"
    assert rule(two, name, REAL)["state"] == "waiting", "nobody agrees with himself"
    assert rule(two, name, REAL, "bob")["state"] == "in_force"
    assert report(two, name)["verdict"]["label"] == "no_ai_found"
    states = [each["state"] for each in two.get(f"/v1/analyses/{name}/rulings").json()["items"]]
    assert states == ["withdrawn", "agreed", "in_force"]


def test_what_upholds_needs_one_moderator(two: TestClient) -> None:
    assert rule(two, upload(two)["id"], FAKE)["state"] == "in_force"


def test_two_who_disagree_wait_for_a_third_and_the_dissent_is_kept(two: TestClient) -> None:
    name = upload(two)["id"]
    rule(two, name, REAL), rule(two, name, FAKE, "bob")
    assert report(two, name)["verdict"]["basis"] == ["inference"]
    assert rule(two, name, FAKE, "cy")["state"] == "in_force"
    states = [each["state"] for each in two.get(f"/v1/analyses/{name}/rulings").json()["items"]]
    assert states == ["outvoted", "agreed", "in_force"]


@pytest.mark.parametrize("change", RE_ENCODINGS)
def test_the_same_picture_is_not_accused_again(client: TestClient, change: str) -> None:
    picture = scene(640, 480)
    first = upload(client, saved(picture))
    rule(client, first["id"], REAL)
    again = upload(client, saved(RE_ENCODINGS[change](picture)))
    assert (again["verdict"]["label"], again["verdict"]["basis"]) == ("no_ai_found", ["ruling"])
    assert (again["ruling"]["how"], again["ruling"]["analysis"]) == ("inherited", first["id"])
    assert again["inference"]["probability"] == 0.9


def test_a_changed_part_is_judged_anew_and_looked_at_by_a_person(client: TestClient) -> None:
    picture = scene(640, 480)
    rule(client, upload(client, saved(picture))["id"], REAL)
    picture.paste(scene(100, 80, seed=9), (300, 200))
    changed = upload(client, saved(picture))
    assert (changed["verdict"]["label"], changed["verdict"]["basis"]) == ("generated", ["inference"])
    assert (changed["ruling"]["how"], changed["ruling"]["verdict"]) == ("similar", "no_ai_found")
    assert (changed["moderation"]["decision"], changed["moderation"]["rule"]) == ("review", "similar_to_ruled")


def test_another_picture_knows_nothing_of_the_ruling(client: TestClient) -> None:
    rule(client, upload(client, saved(scene(640, 480)))["id"], REAL)
    assert upload(client, saved(scene(640, 480, seed=5)))["ruling"] is None


def test_who_won_is_not_accused_again_after_the_picture_was_deleted(client: TestClient) -> None:
    picture = scene(640, 480)
    first = upload(client, saved(picture))["id"]
    rule(client, first, REAL | {"reply": "We are sorry."})
    assert client.delete(f"/v1/analyses/{first}").status_code == 204
    near, same = upload(client, saved(picture, "JPEG", quality=60)), upload(client, saved(picture))
    assert (same["verdict"]["label"], same["ruling"]["how"]) == ("no_ai_found", "inherited")
    assert same["ruling"]["reply"] is None
    assert (near["ruling"]["how"], near["moderation"]["decision"]) == ("similar", "review")


def test_heirs_follow_when_the_ruling_is_corrected(client: TestClient) -> None:
    picture = scene(640, 480)
    first = upload(client, saved(picture))["id"]
    rule(client, first, REAL)
    heir = upload(client, saved(picture, "JPEG", quality=60))["id"]
    corrected = rule(client, first, FAKE)
    after = report(client, heir)
    assert (after["verdict"]["label"], after["ruling"]["id"]) == ("generated", corrected["id"])
    assert after["ruling"]["distance"] is not None


def test_an_heirs_own_ruling_is_his_own(client: TestClient) -> None:
    picture = scene(640, 480)
    first = upload(client, saved(picture))["id"]
    rule(client, first, REAL)
    heir = upload(client, saved(picture, "JPEG", quality=60))["id"]
    assert rule(client, heir, FAKE)["machine"] == "generated"
    rule(client, first, {"verdict": "captured", "reason": "The camera's own record came."})
    assert report(client, heir)["verdict"]["label"] == "generated"
