"""Copies uploaded before a ruling: they inherit it or go to review, off the path of the request; both databases."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from pellucid.feedback import copies
from pellucid.runtime.reencode import RE_ENCODINGS
from pellucid.serve.engine import Engine
from pellucid.store.audit import entries
from pellucid.store.database import writing
from pellucid.store.leases import now
from pellucid.store.queue import COPIES
from pellucid.store.recourse import ruled_picture
from pellucid.store.tables import jobs
from tests.databases import KINDS, new_database
from tests.feedback.accuser import Accuser
from tests.feedback.conftest import FAKE, REAL, Start, appeal, report, rule, upload
from tests.pictures import flat, png, saved, scene
from tests.serve.receiver import receiving

SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def client(request: pytest.FixtureRequest, start: Start) -> TestClient:
    """Without a worker: `searched` does its work."""
    on_postgresql = getattr(request, "param", "sqlite") == "postgresql"
    return start(database_url=new_database(request.getfixturevalue("postgresql_server")) if on_postgresql else None, role="api")


ON_BOTH = pytest.mark.parametrize("client", KINDS, indirect=True)


def searched(client: TestClient, portion: int = 100) -> list[Counter[str]]:
    """All searches that are due, to their end; what each portion changed."""
    desk, found = client.app.state.desk, []  # type: ignore[attr-defined]
    while taken := desk.store.queue.take(COPIES, 1):
        found.append(copies.search(desk, taken[0], portion))
    return found


def waiting(client: TestClient) -> list[Any]:
    with client.app.state.desk.store.database.connect() as connection:  # type: ignore[attr-defined]
        return list(connection.execute(select(jobs.c.payload, jobs.c.due).where(jobs.c.kind == COPIES)))


@pytest.mark.parametrize("change", ["jpeg40", "crop90", "hard"])
def test_who_uploaded_the_same_picture_before_is_cleared_too(client: TestClient, change: str) -> None:
    picture = scene(640, 480)
    earlier = upload(client, saved(RE_ENCODINGS[change](picture)))
    assert earlier["verdict"]["label"] == "generated"
    first = upload(client, saved(picture))["id"]
    rule(client, first, REAL | {"reply": "We are sorry."})
    searched(client)
    after = report(client, earlier["id"])
    assert (after["verdict"]["label"], after["verdict"]["basis"]) == ("no_ai_found", ["ruling"])
    assert (after["ruling"]["how"], after["ruling"]["analysis"], after["ruling"]["reply"]) == ("inherited", first, None)
    assert after["inference"] == earlier["inference"]
    assert client.get("/v1/analyses?verdict=generated").json()["items"] == []


def test_the_same_bytes_inherit_though_they_are_too_plain_for_a_hash(client: TestClient) -> None:
    names = [upload(client, saved(flat(40, 40)))["id"] for _ in range(3)]
    rule(client, names[2], REAL)
    searched(client)
    assert [report(client, name)["ruling"]["how"] for name in names] == ["inherited", "inherited", "ruled"]


def test_a_changed_part_goes_to_review_with_the_ruling_shown(client: TestClient) -> None:
    picture = scene(640, 480)
    changed = picture.copy()
    changed.paste(scene(100, 80, seed=9), (300, 200))
    earlier, other = upload(client, saved(changed))["id"], upload(client, saved(scene(640, 480, seed=5)))
    made = rule(client, upload(client, saved(picture))["id"], REAL)
    searched(client)
    after = report(client, earlier)
    assert (after["verdict"]["label"], after["moderation"]["rule"]) == ("generated", "similar_to_ruled")
    assert (after["ruling"]["how"], after["ruling"]["id"]) == ("similar", made["id"])
    assert [case["report"]["id"] for case in client.get("/v1/queue").json()["items"]] == [earlier]
    assert report(client, other["id"]) == other


@ON_BOTH
def test_a_correction_reaches_heirs_and_similar_ones_and_each_is_in_the_log(client: TestClient) -> None:
    picture = scene(640, 480)
    changed = picture.copy()
    changed.paste(scene(100, 80, seed=9), (300, 200))
    first, heir, similar = (upload(client, each)["id"] for each in (saved(picture), saved(picture, "JPEG"), saved(changed)))
    rule(client, first, REAL)
    searched(client)
    corrected = rule(client, first, FAKE)
    searched(client)
    assert (report(client, heir)["verdict"]["label"], report(client, heir)["ruling"]["id"]) == ("generated", corrected["id"])
    assert report(client, similar)["ruling"]["id"] == corrected["id"]
    assert len([each for each in report(client, similar)["evidence"] if each["kind"] == "ruling"]) == 1
    log = [(entry.actor, entry.subject) for entry in entries(client.app.state.desk.store.database)]  # type: ignore[attr-defined]
    assert log.count(("inheritance", heir)) == 1
    assert log.count(("inheritance", similar)) == 2


def test_a_copy_with_a_ruling_of_its_own_keeps_it_and_an_appeal_stays_open(client: TestClient) -> None:
    picture = scene(640, 480)
    own, appealed, first = (upload(client, saved(picture))["id"] for _ in range(3))
    rule(client, own, FAKE), appeal(client, appealed)
    searched(client)
    rule(client, first, REAL)
    searched(client)
    assert report(client, own)["verdict"]["label"] == "generated"
    (case,) = client.get("/v1/queue").json()["items"]
    assert (case["why"], case["report"]["id"]) == ("appealed", appealed)


@ON_BOTH
def test_many_copies_are_searched_in_portions_and_once_more_a_minute_later(client: TestClient) -> None:
    picture = scene(320, 240)
    names = [upload(client, saved(picture))["id"] for _ in range(5)]
    names += [upload(client, saved(picture, "JPEG", quality=90 - number))["id"] for number in range(4)]
    rule(client, names[4], REAL)
    portions = searched(client, portion=2)
    assert [each.total() for each in portions] == [2, 2, 0, 0, 0, 1, 2, 1]
    assert {report(client, name)["verdict"]["label"] for name in names} == {"no_ai_found"}
    ((payload, due),) = waiting(client)
    assert payload["again"]
    assert timedelta(seconds=50) < due - now() <= timedelta(minutes=1)
    with writing(client.app.state.desk.store.database) as connection:  # type: ignore[attr-defined]
        connection.execute(update(jobs).values(due=now()))
    assert sum(searched(client), Counter()).total() == 0
    assert waiting(client) == []


def test_a_search_for_a_ruling_that_was_corrected_meanwhile_ends(client: TestClient) -> None:
    earlier, first = (upload(client, saved(scene(320, 240)))["id"] for _ in range(2))
    rule(client, first, REAL), rule(client, first, FAKE)
    searched(client)
    assert report(client, earlier)["verdict"]["label"] == "generated"
    assert len(waiting(client)) == 1


def test_what_is_deleted_or_broken_meanwhile_stops_nothing(client: TestClient) -> None:
    picture = scene(640, 480)
    broken, deleted, heir, first = (upload(client, saved(picture, "JPEG", quality=q))["id"] for q in (80, 81, 82, 95))
    store = client.app.state.desk.store  # type: ignore[attr-defined]
    store.objects.delete(store.standing(broken).sha256)
    client.delete(f"/v1/analyses/{deleted}")
    rule(client, first, REAL)
    searched(client)
    assert report(client, heir)["verdict"]["label"] == "no_ai_found"
    assert report(client, broken)["verdict"]["label"] == "generated"


def test_the_worker_searches_and_the_site_is_told_of_every_report_that_a_ruling_changed(start: Start) -> None:
    with receiving() as messages:
        client = start(webhook_url=messages.url, webhook_secrets=SECRET)
        heir, first = (upload(client, png(320, 240))["id"] for _ in range(2))
        rule(client, first, REAL)
        until = time.monotonic() + 60
        while len(messages.came) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        shown = client.get("/metrics").text
    told = [json.loads(message.body) for message in messages.came]
    assert {(each["type"], each["data"]["id"], each["data"]["verdict"]) for each in told} == {
        ("analysis.changed", heir, "no_ai_found"), ("analysis.changed", first, "no_ai_found"),
    }  # fmt: skip
    assert 'pellucid_copies_total{how="inherited"} 1.0' in shown


class Room:
    """Notes who is inside; nobody may ask for room who has some already."""

    def __init__(self) -> None:
        self.inside, self.held = 0, 0

    @contextmanager
    def hold(self, _: bytes) -> Iterator[None]:
        assert self.inside == 0, "who waits for room while he holds some may wait for ever"
        self.inside, self.held = self.inside + 1, self.held + 1
        yield
        self.inside -= 1


def test_every_picture_is_opened_within_the_room_and_one_at_a_time(start: Start) -> None:
    room = Room()
    client = start(Engine(Accuser(), room=room.hold))
    picture = scene(320, 240)
    first = upload(client, saved(picture))["id"]
    before = room.held
    rule(client, first, REAL)
    assert room.held == before + 1
    upload(client, saved(picture, "JPEG"))
    assert room.held == before + 4  # the analysis, the new picture, the ruled one


def test_a_picture_over_todays_limits_is_not_opened(start: Start, tmp_path: Path) -> None:
    first = upload(start(), saved(scene(320, 240)))["id"]
    client = start(max_pixels=100 * 100)
    rule(client, first, REAL)
    with client.app.state.desk.store.database.connect() as connection:  # type: ignore[attr-defined]
        kept = ruled_picture(connection, first)
    assert kept is not None
    assert kept["hashes"] == []
