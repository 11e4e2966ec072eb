"""What was saved is found again, in order, filtered, page by page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pellucid.base.errors import InvalidParameter, NotFound
from pellucid.base.ids import new_id
from pellucid.records.report import ImageFacts, Model, Report, Verdict
from pellucid.store.store import Filters, Store

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def report(minute: int = 0, **fields: Any) -> Report:
    created = (START + timedelta(minutes=minute)).isoformat()
    facts = ImageFacts(sha256="0" * 64, format="PNG", width=20, height=20, bytes=9)
    verdict = Verdict(label=fields.pop("label", "unsure"), basis=[], text="Not sure.")
    model = Model(bundle="b@1", channel="production", use="any")
    return Report(**{"id": new_id(), "created": created, "image": facts, "verdict": verdict, "model": model, **fields})


def save(store: Store, *reports: Report) -> list[str]:
    for each in reports:
        store.save(each, each.id.encode(), None)
    return sorted((each.id for each in reports), reverse=True)


def ids(store: Store, filters: Filters) -> list[str]:
    return [each.id for each in store.list(filters).reports]


def test_gives_back_report_and_embedding(store: Store) -> None:
    given_report = report(source="späte Aufnahme 📷.jpg", timing_ms={"total": 7.25})
    embedding = np.linspace(-1, 1, 512, dtype=np.float32)
    store.save(given_report, b"picture", embedding)
    assert store.get(given_report.id) == given_report
    found = store.embedding(given_report.id)
    assert found is not None
    np.testing.assert_allclose(found, embedding, atol=1e-3)


def test_has_no_embedding_where_the_encoder_gave_none(store: Store) -> None:
    (saved,) = save(store, report())
    assert store.embedding(saved) is None


def test_does_not_find_what_was_never_saved(store: Store) -> None:
    for ask in (store.get, store.picture, store.embedding):
        with pytest.raises(NotFound):
            ask(new_id())


def test_keeps_no_report_twice(store: Store) -> None:
    once = report()
    save(store, once)
    with pytest.raises(IntegrityError):
        save(store, once)


def test_writes_the_picture_before_the_report(store: Store, tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("no folder")
    with pytest.raises(OSError, match="objects"):
        save(store, report())
    assert store.list(Filters()).reports == ()


def test_logs_ahead_so_that_readers_need_not_wait(store: Store) -> None:
    with store.database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_filters_by_verdict_and_by_time_in_any_zone(store: Store) -> None:
    early, middle, late = report(0), report(10, label="generated"), report(20)
    save(store, early, middle, late)
    cet = timezone(timedelta(hours=1))
    assert ids(store, Filters(verdict="generated")) == [middle.id]
    assert ids(store, Filters(since=START + timedelta(minutes=10), until=START + timedelta(minutes=20))) == [middle.id]
    assert ids(store, Filters(until=(START + timedelta(minutes=10)).astimezone(cet))) == [early.id]
    assert set(ids(store, Filters(since=(START + timedelta(minutes=10)).replace(tzinfo=None)))) == {middle.id, late.id}


@given(count=st.integers(0, 12), limit=st.integers(1, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_pages_hold_every_report_once_newest_first(tmp_path_factory: pytest.TempPathFactory, count: int, limit: int) -> None:
    store = Store.open(tmp_path_factory.mktemp("store"))
    expected = save(store, *[report(minute) for minute in range(count)])
    seen: list[str] = []
    page = store.list(Filters(), limit=limit)
    seen += [each.id for each in page.reports]
    while page.cursor is not None:
        page = store.list(Filters(), page.cursor, limit)
        assert page.reports, "a cursor led to an empty page"
        seen += [each.id for each in page.reports]
    store.close()
    assert seen == expected


def test_what_is_saved_meanwhile_neither_repeats_nor_hides_a_report(store: Store) -> None:
    expected = save(store, *[report(minute) for minute in range(4)])
    first = store.list(Filters(), limit=2)
    save(store, report(99))
    second = store.list(Filters(), first.cursor, limit=2)
    assert [each.id for each in (*first.reports, *second.reports)] == expected


@given(cursor=st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_refuses_cursors_it_never_gave(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidParameter):
        store.list(Filters(), cursor)


def test_many_writers_lose_nothing(store: Store) -> None:
    reports = [report(minute) for minute in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: save(store, each), reports))
    assert {each.id for each in store.list(Filters(), limit=100).reports} == {each.id for each in reports}


def test_two_processes_may_make_a_new_database_at_once(tmp_path):
    """`pellucid serve` and `pellucid analyse` may be started together on a machine that has no database yet."""
    opener = "import pathlib, sys; from pellucid.store.database import open_sqlite; open_sqlite(pathlib.Path(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", opener, str(tmp_path / "new.db")]) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
