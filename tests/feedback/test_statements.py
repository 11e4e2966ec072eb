"""Statements of reasons in the database's fields, of one decision and of a period; the report on everybody's errors."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from pellucid.base.rates import upper_bound
from tests.feedback.accuser import Accuser
from tests.feedback.conftest import FAKE, REAL, Start, appeal, flag, report, rule, upload
from tests.pictures import png

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def fields(client: TestClient, name: str) -> dict[str, object]:
    answer = client.get(f"/v1/analyses/{name}/statement")
    assert answer.status_code == 200, answer.text
    return answer.json()["fields"]


def test_a_label_is_a_restriction_with_its_reasons(client: TestClient) -> None:
    name = upload(client)["id"]
    found = fields(client, name)
    assert found["puid"] == name
    assert found["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_LABELLED"]
    assert found["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert found["content_type"] == ["CONTENT_TYPE_IMAGE", "CONTENT_TYPE_SYNTHETIC_MEDIA"]
    assert (found["automated_detection"], found["automated_decision"]) == ("Yes", "AUTOMATED_DECISION_FULLY")
    assert found["source_type"] == "SOURCE_VOLUNTARY"
    assert found["content_date"] == found["application_date"] == datetime.now(UTC).date().isoformat()
    assert "Probability of AI by the pixels: 0.90" in str(found["decision_facts"])
    redress = client.get(f"/v1/analyses/{name}/statement").json()["redress"]
    assert f"/v1/analyses/{name}/appeals" in redress[0]


def test_nothing_restricted_needs_no_reasons(start: Start) -> None:
    client = start(Accuser(probability=0.1))
    answer = client.get(f"/v1/analyses/{upload(client)['id']}/statement")
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing-restricted")


def test_a_flag_and_a_ruling_make_it_a_decision_of_people(start: Start) -> None:
    client = start(Accuser(probability=0.1))
    name = upload(client)["id"]
    flag(client, name)
    made = rule(client, name, FAKE | {"decision": "block"})
    found = fields(client, name)
    assert found["puid"] == f"{name}-{made['id']}"
    assert found["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DISABLED", "DECISION_VISIBILITY_CONTENT_LABELLED"]
    assert (found["automated_detection"], found["automated_decision"]) == ("No", "AUTOMATED_DECISION_PARTIALLY")
    assert found["source_type"] == "SOURCE_TYPE_OTHER_NOTIFICATION"
    assert "Six fingers." in str(found["decision_facts"])
    assert "ann" not in str(found).split()


def test_a_period_is_exported_as_json_and_as_csv(start: Start) -> None:
    accuser = Accuser()
    client = start(accuser)
    accused = [upload(client, png(seed=seed))["id"] for seed in range(3)]
    rule(client, accused[1], REAL)
    accuser.probability = 0.1
    upload(client, png(seed=9))
    page = client.get("/v1/statements").json()
    assert [each["puid"] for each in page["statements"]] == [accused[0], accused[2]]
    assert page["next"] is None
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/statements?format=csv").text)))
    assert [row["puid"] for row in rows] == [accused[0], accused[2]]
    assert json.loads(rows[0]["content_type"]) == page["statements"][0]["content_type"]
    assert client.get("/v1/statements", params={"since": TOMORROW}).json()["statements"] == []
    assert client.get("/v1/statements", params={"until": TOMORROW}).json() == page


def test_the_transparency_report_counts_errors_with_their_bounds(client: TestClient) -> None:
    names = [upload(client, png(seed=seed))["id"] for seed in range(4)]
    for name in names[:3]:
        appeal(client, name)
    flag(client, names[3])
    rule(client, names[0], REAL), rule(client, names[1], FAKE), rule(client, names[3], FAKE)
    found = client.get("/v1/transparency").json()
    assert found["verdicts"] == {"generated": 3, "no_ai_found": 1}
    assert found["appeals"] == {"open": 1, "upheld": 1, "overturned": 1, "settled": 0}
    assert (found["accused"], found["flags"], found["rulings"]) == (4, {"generated": 1}, {"generated": 2, "no_ai_found": 1})
    assert found["overturned_of_appeals"] == {
        "count": 1, "of": 2, "share": 0.5, "lower": 1 - upper_bound(1, 2), "upper": upper_bound(1, 2),
    }  # fmt: skip
    assert (found["overturned_of_accused"]["count"], found["overturned_of_accused"]["of"]) == (1, 4)
    assert found["median_appeal_s"] > 0
    assert found["median_flag_s"] > 0
    assert client.get("/v1/transparency", params={"since": TOMORROW}).json()["overturned_of_appeals"]["share"] is None


def test_who_inherits_a_ruling_is_not_counted_as_accused_by_the_machine(client: TestClient) -> None:
    picture = png(128, 96)
    rule(client, upload(client, picture)["id"], FAKE)
    assert upload(client, picture)["verdict"]["basis"] == ["ruling"]
    found = client.get("/v1/transparency").json()
    assert (found["verdicts"], found["accused"]) == ({"generated": 2}, 1)


def test_what_an_earlier_copy_inherits_was_decided_when_the_other_was_ruled_on(start: Start) -> None:
    client = start(Accuser(probability=0.1))
    earlier, first = (upload(client, png(128, 96))["id"] for _ in range(2))
    assert client.get("/v1/statements").json()["statements"] == []
    between = datetime.now(UTC)
    made = rule(client, first, FAKE)
    until = time.monotonic() + 60
    while report(client, earlier)["verdict"]["label"] != "generated" and time.monotonic() < until:
        time.sleep(0.05)
    found = client.get("/v1/statements", params={"since": between.isoformat()}).json()["statements"]
    assert [each["puid"] for each in found] == [f"{earlier}-{made['id']}", f"{first}-{made['id']}"]
    assert client.get("/v1/statements", params={"until": between.isoformat()}).json()["statements"] == []
    later = upload(client, png(128, 96))["id"]
    after = client.get("/v1/statements", params={"since": made["created"]}).json()["statements"]
    assert f"{later}-{made['id']}" in [each["puid"] for each in after]


def test_a_long_period_is_read_in_pages(client: TestClient) -> None:
    names = [upload(client, png(seed=seed))["id"] for seed in range(101)]
    first = client.get("/v1/statements").json()
    second = client.get("/v1/statements", params={"cursor": first["next"]}).json()
    assert [each["puid"] for page in (first, second) for each in page["statements"]] == names
    assert (len(first["statements"]), second["next"]) == (100, None)
    assert client.get("/v1/statements", params={"cursor": names[0]}).json()["code"] == "invalid-parameter"


def test_disagreement_of_moderators_is_measured(two: TestClient) -> None:
    names = [upload(two, png(seed=seed))["id"] for seed in range(4)]
    for name, second in zip(names, (REAL, REAL, FAKE, FAKE), strict=True):
        rule(two, name, REAL), rule(two, name, second, "bob")
    assert two.get("/v1/transparency").json()["agreement"] == {"cases": 4, "share": 0.5, "kappa": pytest.approx(0.0)}
