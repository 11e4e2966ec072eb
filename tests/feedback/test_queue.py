"""The queue: appealed, then waiting for a second moderator, flagged, most uncertain; in pages that lose and repeat nothing."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

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
