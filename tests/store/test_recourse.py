"""Rulings in both databases: the queue's lines, decisions of a period, what is found again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pellucid.base.errors import AppealOpen
from pellucid.base.ids import new_id
from pellucid.records.label import AppealWish, FlagWish, Ruling
from pellucid.records.report import Inference
from pellucid.store.database import writing
from pellucid.store.decisions import Period, accused_by_machine, counted, decided_in, outcomes, ruled_in
from pellucid.store.moderation_queue import count_waiting, waiting
from pellucid.store.recourse import (
    add_appeal,
    add_flag,
    add_ruling,
    all_ruled,
    appeals_on,
    close_all,
    hold,
    ruling_in_force,
    rulings_on,
    rulings_version,
    set_ruled,
    set_states,
)
from pellucid.store.store import Store
from pellucid.store.tables import analyses
from tests.store.made import report, save

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
APPEAL, FLAG = AppealWish(reason="Mine."), FlagWish(says="generated")


def ruling(analysis: str, **fields: Any) -> Ruling:
    base = {"verdict": "no_ai_found", "reason": "R.", "state": "in_force", "policy": "recourse@1", "stood": "generated"}
    name = new_id()
    return Ruling.model_validate(
        {"id": name, "analysis": analysis, "round": name, "created": NOW.isoformat(), "actor": "ann", "machine": "generated"}
        | base
        | fields
    )


def unsure(probability: float | None) -> Any:
    return report(inference=None if probability is None else Inference(probability=probability, slice="photo/web"))


def test_the_queue_is_in_its_order_and_its_pages_lose_nothing(store: Store) -> None:
    doubtful = [unsure(probability) for probability in (0.9, None, 0.46, 0.55, 0.05)]
    others = [report(label="generated") for _ in range(3)]
    save(store, *doubtful, *others)
    appealed, second, flagged = (each.id for each in others)
    with writing(store.database) as connection:
        add_appeal(connection, appealed, APPEAL, "generated", "sam", NOW)
        for name in (flagged, appealed, flagged):
            add_flag(connection, name, FLAG, "una", NOW)
        add_ruling(connection, ruling(second, state="waiting"))
        whole = [case.place for case in waiting(connection, None, 100)]
        counts = count_waiting(connection)
        pages, place = [], None
        while page := waiting(connection, place, 2):
            pages += [case.place for case in page]
            place = page[-1].place
    assert [place.why for place in whole] == ["appealed", "second", "flagged", *["doubtful"] * 5]
    assert [place.id for place in whole[3:]] == [doubtful[1].id, doubtful[2].id, doubtful[3].id, doubtful[0].id, doubtful[4].id]
    assert pages == whole
    assert counts == {"appealed": 1, "second": 1, "flagged": 1, "doubtful": 5}


def test_a_ruling_is_kept_and_closes_what_is_open(store: Store) -> None:
    (name,) = save(store, report(label="generated"))
    with writing(store.database) as connection:
        assert hold(connection, name).id == name
        add_appeal(connection, name, APPEAL, "generated", "sam", NOW - timedelta(hours=3))
        with pytest.raises(AppealOpen):
            add_appeal(connection, name, APPEAL, "generated", "sam", NOW)
        made = ruling(name)
        add_ruling(connection, made)
        close_all(connection, name, made.id, NOW)
        (closed,) = appeals_on(connection, name)
        (outcome,) = outcomes(connection, Period())
        assert rulings_on(connection, name) == [made]
        assert ruling_in_force(connection, name) == made
    assert (closed.state, closed.ruling, closed.closed) == ("closed", made.id, NOW.isoformat())
    assert (outcome.ruling, outcome.closed and outcome.closed - outcome.made) == (made, timedelta(hours=3))


def test_what_is_known_changes_with_every_ruling_in_force(store: Store) -> None:
    (name,) = save(store, report(label="generated"))
    with writing(store.database) as connection:
        versions = [rulings_version(connection)]
        for _ in range(2):
            set_ruled(connection, ruling(name), "0" * 64, ["0f" * 32, "f0" * 32])
            versions.append(rulings_version(connection))
        (row,) = all_ruled(connection)
    assert len(set(versions)) == 3
    assert (row["hashes"], row["verdict"]) == (["0f" * 32, "f0" * 32], "no_ai_found")


def test_a_decision_is_of_the_moment_at_which_it_was_made(store: Store) -> None:
    old, ruled, plain = report(0, label="generated"), report(0, label="generated"), report(0, label="no_ai_found")
    save(store, old, ruled, plain)
    with writing(store.database) as connection:
        add_ruling(connection, ruling(ruled.id, verdict="generated"))
        day = datetime(2026, 11, 1, tzinfo=UTC)
        first = decided_in(connection, Period(day, day + timedelta(days=1)), ("block",))
        later = decided_in(connection, Period(NOW), ("block",))
        assert [each.report.id for each in first] == [old.id]
        assert [(each.report.id, each.ruling is not None, each.flagged) for each in later] == [(ruled.id, True, False)]
        assert accused_by_machine(connection, Period()) == 2
        assert counted(connection, analyses, "verdict", Period()) == {"generated": 2, "no_ai_found": 1}
    assert [found.id for found, _ in ruled_in(store.database, Period())] == [ruled.id]


def test_a_corrected_ruling_is_no_label(store: Store) -> None:
    (name,) = save(store, report(label="generated"))
    with writing(store.database) as connection:
        before, after = ruling(name), ruling(name, verdict="generated")
        add_ruling(connection, before)
        set_states(connection, {before.id: "corrected"})
        add_ruling(connection, after)
    assert [made for _, made in ruled_in(store.database, Period())] == [after]
