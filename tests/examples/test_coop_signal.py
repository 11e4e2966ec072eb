"""The Coop example from end to end: webhook, item, action of a moderator, ruling; and whom it does not believe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from examples.coop_signal import RULINGS, Coop, hooks, item_of

from pellucid.base.pixels import decode
from pellucid.client import Client
from tests.client.conftest import QUICK
from tests.examples.conftest import SECRET, World, running, wait_until
from tests.examples.coop import API_KEY, ITEM_TYPE, CoopSide, Items
from tests.pictures import png
from tests.serve.fake import report_of

SUBJECT = {"id": "post-7", "image_url": "https://pictures.example/7.png"}


@pytest.fixture
def coop(world: World) -> Iterator[CoopSide]:
    side = CoopSide()
    with running(side.server()) as port:
        url = f"http://127.0.0.1:{port}"
        joined = Coop(url, API_KEY, ITEM_TYPE, side.key.public_key())
        world.join(hooks(world.pellucid, joined, world.subjects, [SECRET]))
        yield side


def action(name: str = "clear-of-ai", **more: Any) -> dict[str, Any]:
    about = {
        "item": {"id": "post-7", "typeId": ITEM_TYPE},
        "action": {"id": name},
        "policies": [],
        "actorEmail": "ann@example.com",
    }
    return {**about, "decisionReason": "The negative was shown.", **more}


def test_an_answer_reaches_coop_as_an_item_that_fits_its_schema(world: World, coop: CoopSide) -> None:
    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: world.statuses == [204])
    (item,) = coop.items
    assert (item.id, item.typeId, item.data.images) == ("post-7", ITEM_TYPE, ["https://pictures.example/7.png"])
    assert (item.data.pellucid_verdict, item.data.pellucid_basis, item.data.pellucid_decision) == ("generated", "claim", "allow")
    assert (item.data.pellucid_analysis, item.data.pellucid_caption) == (analysis, "A fake picture.")
    assert coop.refused == []


def test_a_moderators_action_becomes_a_ruling(world: World, coop: CoopSide) -> None:
    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: bool(coop.items))
    assert coop.act(f"{world.url}/hooks/coop", action()) == 204
    report = world.pellucid.get(analysis)
    assert (report.verdict.label, report.verdict.basis) == ("no_ai_found", ["ruling"])
    (ruling,) = world.pellucid.rulings(analysis)
    assert (ruling.actor, ruling.reason) == ("local/ann@example.com", "The negative was shown.")


def test_a_recorded_action_that_is_sent_again_changes_nothing(world: World, coop: CoopSide) -> None:
    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: bool(coop.items))
    coop.act(f"{world.url}/hooks/coop", action())
    coop.act(f"{world.url}/hooks/coop", action("label-as-ai"))
    assert coop.act(f"{world.url}/hooks/coop", action()) == 204
    assert world.pellucid.get(analysis).verdict.label == "generated"
    assert len(world.pellucid.rulings(analysis)) == 2


@pytest.mark.parametrize(
    "told",
    [action(actorEmail=None), action("delete"), action(item={"id": "post-8", "typeId": ITEM_TYPE})],
    ids=["by a rule", "that says nothing of AI", "on an unknown item"],
)
def test_an_action_that_is_no_opinion_on_the_picture_is_taken_and_passed_over(
    world: World, coop: CoopSide, told: dict[str, Any]
) -> None:
    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: bool(coop.items))
    assert coop.act(f"{world.url}/hooks/coop", told) == 204
    assert world.pellucid.rulings(analysis) == ()


def test_who_did_not_sign_as_coop_is_not_believed(world: World, coop: CoopSide) -> None:
    import httpx2

    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: bool(coop.items))
    hook = f"{world.url}/hooks/coop"
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert coop.act(hook, action(), signed_by=other) == 401
    body = json.dumps(action()).encode()
    assert httpx2.post(hook, content=body).status_code == 401
    assert httpx2.post(hook, content=body, headers={"Coop-Signature": "no base64!"}).status_code == 401
    assert coop.post(hook, b"signed and no JSON") == 400
    assert httpx2.post(f"{world.url}/hooks/pellucid", content=body).status_code == 401
    assert world.pellucid.rulings(analysis) == ()


def test_while_coop_is_down_pellucid_is_told_to_come_again(world: World, coop: CoopSide) -> None:
    coop.down = True
    world.send(png(), SUBJECT)
    wait_until(lambda: world.statuses == [503])
    coop.down = False
    with Client(world.pellucid._endpoint.url, retries=QUICK) as client:
        delivery = client._http.get("/v1/webhooks/deliveries").json()["items"][0]
        assert delivery["status"] == 503
        client._http.post(f"/v1/webhooks/deliveries/{delivery['id']}/replay")
    wait_until(lambda: 204 in world.statuses)
    assert [item.id for item in coop.items] == ["post-7"]


def test_a_wrong_key_is_not_taken_for_success(world: World) -> None:
    side = CoopSide()
    item = item_of(report_of(decode(png())), SUBJECT, ITEM_TYPE)
    with running(side.server()) as port:
        joined = Coop(f"http://127.0.0.1:{port}", "another", ITEM_TYPE, side.key.public_key())
        with pytest.raises(OSError, match="status 401"):
            joined.submit(item)
    assert side.items == []


def test_what_is_not_known_is_left_out_and_the_item_still_fits() -> None:
    bare = report_of(decode(png())).model_copy(update={"caption": None, "inference": None, "moderation": None})
    item = item_of(bare, {"id": "post-9"}, ITEM_TYPE)
    assert "pellucid_probability" not in item["data"]
    assert Items.model_validate({"items": [item]}).items[0].data.images == []


def test_the_handbook_names_every_field_and_every_action(repository: Any) -> None:
    text = (repository / "docs" / "integrations.md").read_text()
    fields = item_of(report_of(decode(png())), SUBJECT, ITEM_TYPE)["data"]
    assert not [name for name in (*fields, *RULINGS) if f"`{name}`" not in text]
