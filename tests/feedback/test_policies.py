"""A policy is tried on stored decisions before anyone enables it."""

from __future__ import annotations

from starlette.testclient import TestClient

from pellucid.analyse.policy import SHIPPED
from tests.feedback.accuser import Accuser
from tests.feedback.conftest import FAKE, Start, rule, upload
from tests.pictures import png

STRICT = """
name = "strict"
version = 7
[[rules]]
name = "ai"
decision = "limit"
reason = "AI is shown to some only."
when = { all = [{ verdict = ["generated"] }] }
[[rules]]
name = "default"
decision = "allow"
reason = "No rule applies."
"""


def dry_run(client: TestClient, policy: str, **wish: object) -> dict[str, object]:
    answer = client.post("/v1/policies/dry-run", json={"policy": policy, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_says_which_decisions_would_change_and_changes_none(start: Start) -> None:
    accuser = Accuser()
    client = start(accuser)
    names = [upload(client, png(seed=seed))["id"] for seed in range(2)]
    accuser.probability = 0.1
    upload(client, png(seed=3))
    rule(client, upload(client, png(seed=4))["id"], FAKE | {"decision": "block"})
    found = dry_run(client, STRICT)
    assert found["changes"] == [{"from": "allow", "to": "limit", "count": 2, "examples": names[::-1]}]
    assert {key: found[key] for key in ("policy", "in_force", "looked_at", "unchanged", "undecided", "not_by_policy")} == {
        "policy": "strict@7", "in_force": "moderation@1", "looked_at": 4, "unchanged": 1, "undecided": 0, "not_by_policy": 1,
    }  # fmt: skip
    assert found["by_version"] == {"moderation@1": 3}
    assert client.get("/v1/analyses?decision=limit").json()["items"] == []


def test_the_policy_in_force_changes_nothing(client: TestClient) -> None:
    upload(client)
    assert dry_run(client, SHIPPED.read_text())["changes"] == []


def test_goes_on_where_it_ended(client: TestClient) -> None:
    names = [upload(client, png(seed=seed))["id"] for seed in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        found = dry_run(client, STRICT, reports=2, cursor=cursor)
        seen += [name for change in found["changes"] for name in change["examples"]]
        cursor = found["next"]
        if cursor is None:
            break
    assert seen == names[::-1]


def test_a_mistake_names_its_line(client: TestClient) -> None:
    answer = client.post("/v1/policies/dry-run", json={"policy": STRICT.replace('"limit"', '"hide"')})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-policy")
    assert "policy.toml:6" in answer.json()["detail"]
