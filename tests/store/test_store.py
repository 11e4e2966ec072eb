"""What was saved is found again, in order, filtered, page by page; on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from pellucid.base.errors import InvalidParameter, NotFound
from pellucid.base.ids import new_id
from pellucid.store.store import Filters, Incoming, Store
from tests.store.made import START, report, save


def ids(store: Store, filters: Filters) -> list[str]:
    return [each.id for each in store.list(filters).reports]


def test_gives_back_report_and_embedding(store: Store) -> None:
    given_report = report(source="späte Aufnahme 📷.jpg", timing_ms={"total": 7.25})
    embedding = np.linspace(-1, 1, 512, dtype=np.float32)
    save(store, given_report, embedding=embedding)
    assert store.get(given_report.id).source == given_report.source
    assert store.get(given_report.id).timing_ms == given_report.timing_ms
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


def test_keeps_the_picture_before_the_row(store: Store, tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("no folder")
    with pytest.raises(OSError, match="objects"):
        store.accept(Incoming(b"picture"))
    assert store.queue.waiting("analyse") == 0


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
