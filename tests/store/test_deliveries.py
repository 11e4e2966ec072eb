"""Events are sent until they arrive, and those that did not are listed and sent again; on every database."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pellucid.base.errors import NotFound
from pellucid.base.ids import new_id
from pellucid.records.event import Event, answered_event, failed_event
from pellucid.store.analyses import Problem
from pellucid.store.database import writing
from pellucid.store.deliveries import Delivery, add_event, forget_delivered
from pellucid.store.leases import LeaseLost, now
from pellucid.store.store import Incoming, Store
from pellucid.store.sweep import forget_old
from tests.store.made import report


def put_in(store: Store, count: int = 1) -> list[str]:
    with writing(store.database) as connection:
        for number in range(count):
            add_event(connection, Event("analysis.answered", new_id(), {"verdict": f"v{number}"}))
    return [delivery.id for delivery in store.outbox.page(None, None, 100)]


def take_one(store: Store) -> Delivery:
    (delivery,) = store.outbox.take(1)
    return delivery


def test_an_event_stands_with_what_it_tells_of_or_not_at_all(store: Store) -> None:
    job = store.accept_and_take(Incoming(b"picture")).job
    assert job is not None
    given = report().model_copy(update={"id": job.id})
    store.answer(job, given, None, [answered_event(given)])
    with pytest.raises(LeaseLost):
        store.fail(job, Problem("internal", "late"), events=[failed_event(job.id, "internal", "late")])
    (delivery,) = store.outbox.page(None, None, 10)
    body = json.loads(delivery.body)
    assert (delivery.event, body["type"]) == ("analysis.answered", "analysis.answered")
    assert body["data"] == {
        "id": job.id, "location": f"/v1/analyses/{job.id}", "verdict": "unsure", "decision": None,
    }  # fmt: skip


def test_what_arrived_is_not_sent_again(store: Store) -> None:
    put_in(store)
    store.outbox.delivered(take_one(store), 204)
    assert store.outbox.take(1) == ()
    (delivery,) = store.outbox.page("delivered", None, 10)
    assert (delivery.status, delivery.attempts) == (204, 1)


def test_what_failed_comes_again_when_it_is_time(store: Store) -> None:
    put_in(store)
    store.outbox.failed(take_one(store), 500, "answered with status 500", again_in_s=0)
    delivery = take_one(store)
    assert (delivery.attempts, delivery.status) == (2, 500)
    store.outbox.failed(delivery, None, "cannot be reached", again_in_s=60)
    assert store.outbox.take(1) == ()


def test_the_dead_are_listed_and_live_again_on_request(store: Store) -> None:
    put_in(store, 3)
    for delivery in store.outbox.take(2):
        store.outbox.failed(delivery, 410, "gone", again_in_s=None)
    dead = store.outbox.page("dead", None, 10)
    assert len(dead) == 2
    assert [(each.status, each.problem) for each in dead] == [(410, "gone")] * 2
    store.outbox.replay(dead[0].id)
    assert [each.id for each in store.outbox.page("dead", None, 10)] == [dead[1].id]
    assert store.outbox.replay_dead() == 1
    assert {each.attempts for each in store.outbox.take(10)} == {1}


def test_only_what_has_ended_is_replayed(store: Store) -> None:
    (waiting,) = put_in(store)
    for unknown in (waiting, new_id()):
        with pytest.raises(NotFound):
            store.outbox.replay(unknown)


def test_who_lost_the_lease_writes_nothing(store: Store) -> None:
    put_in(store)
    late = take_one(store)
    store.outbox.give_up()
    store.outbox.delivered(take_one(store), 200)
    store.outbox.failed(late, 500, "late", again_in_s=None)
    assert len(store.outbox.page("delivered", None, 10)) == 1


def test_pages_hold_every_delivery_once_newest_first(store: Store) -> None:
    ids = put_in(store, 5)
    seen = [each.id for each in store.outbox.page(None, None, 2)]
    seen += [each.id for each in store.outbox.page(None, seen[-1], 2)]
    seen += [each.id for each in store.outbox.page(None, seen[-1], 2)]
    assert seen == sorted(ids, reverse=True)


def test_what_arrived_long_ago_is_forgotten(store: Store) -> None:
    put_in(store, 2)
    store.outbox.delivered(take_one(store), 200)
    forget_old(store)
    assert len(store.outbox.page(None, None, 10)) == 2
    with writing(store.database) as connection:
        forget_delivered(connection, now() + timedelta(seconds=1))
    assert [each.state for each in store.outbox.page(None, None, 10)] == ["waiting"]
