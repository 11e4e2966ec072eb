"""The queue: appealed, then waiting for a second moderator, flagged, most uncertain; in pages that lose and repeat nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from pellucid.store.audit import entries_on
from pellucid.store.moderation_queue import count_older, place_of, waiting
from pellucid.store.recourse import appeals_in
from tests.feedback.accuser import Accuser
from tests.feedback.conftest import FAKE, REAL, Start, appeal, flag, rule, upload
from tests.pictures import png


def seen(client: TestClient, limit: int = 100) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        page = client.get("/v1/queue", params={"limit": limit} | ({"cursor": cursor} if cursor else {})).json()
        found += [(case["why"], case["report"]["id"]) for case in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return found


def test_is_in_the_order_in_which_a_moderator_should_see_it(start: Start) -> None:
    accuser = Accuser(decision="review")
    client = start(accuser)
    names = []
    for seed, probability in enumerate((0.9, 0.99, 0.55, 0.7, 0.52)):
        accuser.probability = probability
        names.append(upload(client, png(seed=seed))["id"])
    flag(client, names[4]), flag(client, names[0]), appeal(client, names[1]), flag(client, names[1])
    expected = [
        ("appealed", names[1]),
        ("flagged", names[4]),
        ("flagged", names[0]),
        ("doubtful", names[2]),
        ("doubtful", names[3]),
    ]
    assert seen(client) == seen(client, limit=1) == seen(client, limit=2) == expected
    assert client.get("/v1/queue").json()["waiting"] == {"appealed": 1, "second": 0, "flagged": 2, "doubtful": 2}


def test_what_is_ruled_on_waits_no_more(start: Start) -> None:
    client = start(Accuser(decision="review"))
    one, two = (upload(client, png(seed=seed))["id"] for seed in (1, 2))
    appeal(client, one)
    rule(client, one, REAL | {"decision": "allow"}), rule(client, two, FAKE)
    assert seen(client) == []


def test_what_is_sure_and_nobody_objects_to_is_not_in_it(client: TestClient) -> None:
    upload(client)
    assert seen(client) == []


def test_the_second_moderator_is_not_told_what_the_first_said(two: TestClient) -> None:
    name = upload(two)["id"]
    rule(two, name, REAL)
    (case,) = two.get("/v1/queue").json()["items"]
    assert (case["why"], case["report"]["ruling"]) == ("second", None)
    assert REAL["reason"] not in str(case)


def test_shows_what_was_said(client: TestClient) -> None:
    name = upload(client)["id"]
    appeal(client, name, "My own garden.")
    (case,) = client.get("/v1/queue").json()["items"]
    assert (case["appeals"][0]["reason"], case["flags"]) == ("My own garden.", [])


@pytest.mark.parametrize("cursor", ["zzz", "W10", "WyJhcHBlYWxlZCIsMCwieCJd", "e30"])
def test_refuses_cursors_it_never_gave(client: TestClient, cursor: str) -> None:
    assert client.get("/v1/queue", params={"cursor": cursor}).json()["code"] == "invalid-parameter"


def test_one_line_can_be_asked_alone_and_a_case_knows_its_place(client: TestClient) -> None:
    names = [upload(client, png(seed=seed))["id"] for seed in range(3)]
    flag(client, names[0]), appeal(client, names[1])
    database = client.app.state.desk.store.database  # type: ignore[attr-defined]
    with database.connect() as connection:
        assert [case.report.id for case in waiting(connection, None, 9, ("flagged",))] == [names[0]]
        place = place_of(connection, names[1])
        assert place is not None
        assert [case.report.id for case in waiting(connection, place, 9)] == [names[0]]
        assert place_of(connection, names[2]) is None
        later, earlier = place.since + timedelta(seconds=1), place.since - timedelta(hours=1)
        assert count_older(connection, [later, earlier])["appealed"] == [1, 0]
    assert client.get("/v1/queue").json()["items"][0]["since"] == place.since.isoformat().replace("+00:00", "Z")


def test_appeals_are_listed_with_what_became_of_them(client: TestClient) -> None:
    names = [upload(client, png(seed=seed))["id"] for seed in range(3)]
    made = [appeal(client, name)["id"] for name in names]
    ruling = rule(client, names[0], REAL)
    with client.app.state.desk.store.database.connect() as connection:  # type: ignore[attr-defined]
        assert [each.id for each, _ in appeals_in(connection, "open", 9)] == made[1:]
        assert [each.id for each, _ in appeals_in(connection, "open", 9, made[1])] == made[2:]
        ((closed, by),) = appeals_in(connection, "closed", 9)
        assert (closed.id, by and by.id) == (made[0], ruling["id"])
        assert [each.action for each in entries_on(connection, names[0])] == ["appeal.made", "ruling.made"]
