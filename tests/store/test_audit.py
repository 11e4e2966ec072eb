"""The audit log is one chain on both databases, only grows, and shows what was done to it behind its back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from pellucid.records.audit import GENESIS, Change, Head
from pellucid.store.audit import after_moment, entries, head_of, record, verify
from pellucid.store.database import writing
from pellucid.store.store import Store

START = datetime(2026, 11, 1, tzinfo=UTC)
FORGE_SQLITE = ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", "DROP TRIGGER audit_no_replace")
FORGE_POSTGRESQL = ("ALTER TABLE audit DISABLE TRIGGER USER",)
WRITER = """
import sys
from pathlib import Path
from pellucid.records.audit import Change
from pellucid.store.audit import record
from pellucid.store.database import writing
from pellucid.store.store import Store
store = Store.open(Path(sys.argv[1]), sys.argv[2])
for number in range(25):
    with writing(store.database) as connection:
        record(connection, Change(actor=sys.argv[3], action="test.counted", subject=str(number)))
store.close()
"""


def fill(engine: Engine, count: int) -> None:
    for minute in range(count):
        with writing(engine) as connection:
            change = Change(actor="anna", action="test.done", subject=f"thing-{minute}", details={"ö": minute, "f": 0.1})
            record(connection, change, START + timedelta(minutes=minute))


def forge(engine: Engine, *statements: str) -> None:
    """As one who owns the database can: take the triggers away first."""
    with writing(engine) as connection:
        for statement in (FORGE_SQLITE if engine.dialect.name == "sqlite" else FORGE_POSTGRESQL) + statements:
            connection.exec_driver_sql(statement)


def test_an_untouched_log_is_whole(store: Store) -> None:
    assert verify(store.database).fault is None
    assert head_of(store.database) == GENESIS
    fill(store.database, 3)
    found = verify(store.database)
    assert (found.fault, found.entries, found.head) == (None, 3, head_of(store.database))
    assert [entry.fields()["details"] for entry in entries(store.database)][2] == {"ö": 2, "f": 0.1}


def test_an_entry_comes_and_goes_with_the_change_it_tells_of(store: Store) -> None:
    fill(store.database, 1)

    def fail() -> None:
        with writing(store.database) as connection:
            record(connection, Change(actor="anna", action="test.done", subject="x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    fill(store.database, 1)
    assert [entry.seq for entry in entries(store.database)] == [1, 2]
    assert verify(store.database).fault is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'eve'",
        "UPDATE audit SET actor = 'eve' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit",
        "DELETE FROM audit_head",
        "INSERT OR REPLACE INTO audit SELECT seq, time, 'eve', action, subject, details, previous, hash FROM audit WHERE seq = 1",
        "INSERT INTO audit SELECT * FROM audit WHERE seq = 1 ON CONFLICT (seq) DO UPDATE SET actor = 'eve'",
        "TRUNCATE audit",
        "TRUNCATE audit_head",
    ],
)
def test_the_database_refuses_to_change_or_forget_an_entry(store: Store, statement: str) -> None:
    fill(store.database, 2)
    # What a database does not understand it refuses as well, and that would prove nothing.
    if statement.startswith("TRUNCATE" if store.database.dialect.name == "sqlite" else "INSERT OR"):
        pytest.skip(f"not a statement of {store.database.dialect.name}")
    # SQLite reads ON after a bare SELECT as the ON of a join.
    statement = statement.replace("WHERE seq = 1 ON", "WHERE seq = 1 AND true ON")
    with pytest.raises(DatabaseError, match="append-only"), writing(store.database) as connection:
        connection.exec_driver_sql(statement)
    assert verify(store.database).entries == 2


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 2", "entry 2 was changed"),
        ('UPDATE audit SET details = \'{"f":0.1, "ö":1}\' WHERE seq = 2', "entry 2 was changed"),
        ("UPDATE audit SET time = '2026-11-01T00:01:00.000001Z' WHERE seq = 2", "entry 2 was changed"),
        ("UPDATE audit SET previous = hash WHERE seq = 2", "entry 2 does not follow"),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM audit WHERE seq >= 2", "entries 2 to 4 are missing"),
        ("UPDATE audit_head SET hash = '" + "f" * 64 + "'", "entry 4 is not the one"),
    ],
)
def test_what_is_done_with_the_triggers_away_is_found_at_the_first_entry(store: Store, statement: str, fault: str) -> None:
    fill(store.database, 4)
    forge(store.database, statement)
    found = verify(store.database)
    assert found.fault is not None
    assert found.fault.startswith(fault)


@pytest.mark.parametrize("forged", ["tail", "chain"])
def test_a_forged_head_is_found_by_a_checkpoint_kept_elsewhere(store: Store, forged: str) -> None:
    fill(store.database, 4)
    kept = head_of(store.database)
    third = [entry.hash for entry in entries(store.database)][2]
    forge(store.database, "DELETE FROM audit WHERE seq = 4", f"UPDATE audit_head SET seq = 3, hash = '{third}'")
    if forged == "chain":
        fill(store.database, 2)
    assert verify(store.database).fault is None
    assert verify(store.database, checkpoint=kept).fault is not None
    assert verify(store.database, checkpoint=Head(3, third)).fault is None


def test_a_walk_since_a_moment_leaves_out_what_was_before(store: Store) -> None:
    fill(store.database, 4)
    assert verify(store.database, START + timedelta(minutes=2)).entries == 2
    assert verify(store.database, START + timedelta(minutes=1, seconds=30)).entries == 2
    assert verify(store.database, START + timedelta(days=1)).entries == 1, "the last one is always looked at"
    assert [entry.seq for entry in entries(store.database, after_moment(store.database, START + timedelta(minutes=3)))] == [4]
    forge(store.database, "UPDATE audit SET actor = 'eve' WHERE seq = 2")
    assert verify(store.database, START + timedelta(minutes=2)).fault is None
    assert verify(store.database, START + timedelta(minutes=1)).fault is not None


def test_processes_that_write_at_once_make_one_chain(store: Store, database_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), database_url]
    started = [subprocess.Popen([*command, name]) for name in ("anna", "ben")]
    assert [process.wait() for process in started] == [0, 0]
    found = verify(store.database)
    assert (found.fault, found.entries) == (None, 50)
    assert {entry.actor for entry in entries(store.database)} == {"anna", "ben"}


def test_a_log_of_several_pages_is_walked_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.store.audit.PAGE", 2)
    fill(store.database, 5)
    assert [entry.seq for entry in entries(store.database)] == [1, 2, 3, 4, 5]
    assert verify(store.database).entries == 5


COLUMNS = st.sampled_from(["time", "actor", "action", "subject", "details", "previous", "hash"])


@pytest.fixture(scope="module")
def forgeable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """SQLite, for it takes values of any type in any column."""
    store = Store.open(tmp_path_factory.mktemp("forged"))
    fill(store.database, 6)
    forge(store.database)
    yield store.database
    store.close()


@given(seq=st.integers(1, 6), column=COLUMNS, value=st.text(max_size=30) | st.binary(max_size=8) | st.integers(0, 9))
def test_any_other_value_in_any_column_of_any_row_is_found(forgeable: Engine, seq: int, column: str, value: Any) -> None:
    with forgeable.connect() as connection:
        before = connection.execute(text(f"SELECT {column} FROM audit WHERE seq = {seq}")).scalar_one()
    assume(value != before)
    put(forgeable, seq, column, value)
    fault = verify(forgeable).fault
    put(forgeable, seq, column, before)
    assert (fault or "none").startswith(f"entry {seq} ")


def put(engine: Engine, seq: int, column: str, value: Any) -> None:
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE audit SET {column} = :value WHERE seq = {seq}"), {"value": value})
