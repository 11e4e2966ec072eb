"""What is deleted is gone, but for a tombstone; bytes that another analysis shares stay; on every database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from pellucid.base.errors import ConfigError, Deleted, NotFound
from pellucid.base.ids import new_id
from pellucid.records.event import Event
from pellucid.records.label import AppealWish
from pellucid.records.report import Moderation
from pellucid.records.retention import load_retention
from pellucid.store.analyses import Problem
from pellucid.store.database import writing
from pellucid.store.deliveries import add_event
from pellucid.store.leases import now
from pellucid.store.recourse import add_appeal, hold
from pellucid.store.store import Filters, Incoming, Store
from pellucid.store.sweep import erase_orphans, erase_overdue
from pellucid.store.tables import analyses, appeals, deliveries
from tests.store.made import START, report, save

POLICY = """
name = "retention"
version = 2

[[rules]]
name = "under review"
decision = ["review", "block"]
days = 365

[[rules]]
name = "what failed"
state = ["failed"]
days = 1

[[rules]]
name = "the rest"
days = 30
"""


def test_nothing_stays_but_when_it_came_how_it_was_judged_and_why_it_went(store: Store) -> None:
    embedding = np.ones(512, dtype=np.float32)
    (given,) = save(store, report(label="generated", source="private.jpg"), data=b"bytes", embedding=embedding)
    name = store.standing(given).sha256
    with writing(store.database) as connection:
        add_event(connection, Event("analysis.answered", given, {}))
    assert store.erase(given, "on request")
    with store.database.connect() as connection:
        row = connection.execute(select(analyses).where(analyses.c.id == given)).one()._mapping
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 0
    stays = {key: value for key, value in row.items() if value is not None}
    assert set(stays) == {"id", "created", "verdict", "bundle", "state", "settled", "deleted_why"}
    assert (stays["created"], stays["verdict"], stays["deleted_why"]) == (START, "generated", "on request")
    assert not store.objects.has(name or "")


def test_what_is_added_while_it_is_deleted_goes_too(store: Store) -> None:
    """Who holds the row when the deletion comes ends first; what he wrote is not left behind."""
    (given,) = save(store, report())
    with ThreadPoolExecutor(1) as threads:
        with writing(store.database) as connection:
            hold(connection, given)
            deleting = threads.submit(store.erase, given, "on request")
            time.sleep(0.5)  # long enough for the deletion to stand at the row
            add_event(connection, Event("analysis.answered", given, {}))
        assert deleting.result(60)
    with store.database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 0


def test_it_is_found_nowhere_any_more(store: Store) -> None:
    (given,) = save(store, report())
    store.erase(given, "on request")
    with pytest.raises(Deleted):
        store.get(given)
    with pytest.raises(NotFound):
        store.picture(given)
    assert store.embedding(given) is None
    assert store.list(Filters()).reports == ()


def test_deleting_again_changes_nothing_and_what_never_was_is_not_found(store: Store) -> None:
    (given,) = save(store, report())
    assert store.erase(given, "on request")
    assert not store.erase(given, "again")
    with pytest.raises(NotFound):
        store.erase(new_id(), "on request")


def test_bytes_go_with_the_last_analysis_that_has_them(store: Store) -> None:
    first, second = save(store, report(), report(), data=b"shared")
    store.erase(first, "on request")
    assert store.picture(second) == b"shared"
    name = store.standing(second).sha256
    store.erase(second, "on request")
    assert not store.objects.has(name or "")


def test_what_is_still_in_the_queue_is_never_answered(store: Store) -> None:
    accepted = store.accept(Incoming(b"picture"))
    store.erase(accepted.id, "on request")
    assert store.queue.take("analyse", 1) == ()


def test_the_same_bytes_accepted_and_deleted_at_once_are_never_lost(store: Store) -> None:
    """An object must not go while a row is written that names it."""
    stop = threading.Event()

    def churn(_: int) -> list[str]:
        mine = []
        while not stop.is_set():
            mine.append(store.accept(Incoming(b"the same")).id)
            if len(mine) > 1:
                store.erase(mine.pop(0), "on request")
        return mine

    with ThreadPoolExecutor(4) as threads:
        found = threads.map(churn, range(4))
        threading.Timer(2, stop.set).start()
        standing = [each for mine in found for each in mine]
    assert standing
    assert all(store.picture(each) == b"the same" for each in standing)
    for each in standing:
        store.erase(each, "on request")
    assert not any(path.is_file() for path in Path(store.objects.path).rglob("*"))  # type: ignore[attr-defined]


def aged(days: float, **fields: object) -> object:
    minutes = int((now() - START - timedelta(days=days)).total_seconds() // 60)
    return report(minutes, **fields)


def judged(decision: str) -> Moderation:
    return Moderation(decision=decision, rule="r", reason="why", policy="p@1", scores={})  # type: ignore[arg-type]


def test_the_first_rule_that_fits_says_how_long(store: Store, tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text(POLICY)
    policy = load_retention(tmp_path / "retention.toml")
    (old,) = save(store, aged(31))
    (fresh,) = save(store, aged(29))
    (watched,) = save(store, aged(300, moderation=judged("review")))
    (forgotten,) = save(store, aged(366, moderation=judged("block")))
    assert erase_overdue(store, policy, 100) == 2
    assert [store.standing(each).state for each in (old, forgotten)] == ["deleted", "deleted"]
    assert [store.standing(each).state for each in (fresh, watched)] == ["answered", "answered"]
    with store.database.connect() as connection:
        reasons = connection.execute(select(analyses.c.deleted_why).where(analyses.c.state == "deleted")).scalars().all()
    assert set(reasons) == {"retention@2: the rest", "retention@2: under review"}


def test_what_failed_may_go_sooner_and_what_waits_never_goes(store: Store, tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text(POLICY.replace("days = 1\n", "days = 0\n").replace("days = 30", "days = 0"))
    policy = load_retention(tmp_path / "retention.toml")
    failed = store.accept_and_take(Incoming(b"picture")).job
    waiting = store.accept(Incoming(b"another"))
    assert failed is not None
    store.fail(failed, Problem("internal", "why"))
    assert erase_overdue(store, policy, 100) == 1
    assert store.standing(failed.id).state == "deleted"
    assert store.standing(waiting.id).state == "accepted"


def test_what_an_open_appeal_is_about_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text(POLICY)
    policy = load_retention(tmp_path / "retention.toml")
    (appealed,) = save(store, aged(31, label="generated"))
    with writing(store.database) as connection:
        add_appeal(connection, appealed, AppealWish(reason="I drew it"), "generated", "sam", now())
    assert erase_overdue(store, policy, 100) == 0
    with writing(store.database) as connection:
        connection.execute(appeals.update().values(state="closed"))
    assert erase_overdue(store, policy, 100) == 1


def test_at_most_as_many_go_at_once_as_allowed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "retention.toml").write_text(POLICY)
    save(store, *[aged(40 + number) for number in range(5)])
    policy = load_retention(tmp_path / "retention.toml")
    assert [erase_overdue(store, policy, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_policy_that_is_wrong_says_file_and_line(tmp_path: Path) -> None:
    wrong = tmp_path / "retention.toml"
    wrong.write_text(POLICY.replace("days = 30", "dayz = 30"))
    with pytest.raises(ConfigError, match=r"retention\.toml:17: rules\.2\.dayz: there is no such key; did you mean days"):
        load_retention(wrong)


def test_bytes_that_were_never_accepted_go_when_they_are_old(store: Store) -> None:
    """A process may die between an object and its row."""
    accepted = store.accept(Incoming(b"accepted"))
    orphan = store.objects.put(b"never accepted")
    assert erase_orphans(store, older_than=timedelta(hours=1)) == 0
    assert erase_orphans(store, older_than=timedelta(seconds=-60)) == 1
    assert not store.objects.has(orphan)
    assert store.picture(accepted.id) == b"accepted"


def test_moments_of_made_reports_are_what_they_seem() -> None:
    assert datetime.fromisoformat(report(60).created) == START + timedelta(hours=1)
