"""Migrations make the tables of the code, once, from nothing and from what stood before them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from pellucid.base.errors import ConfigError
from pellucid.store.database import open_database, writing
from pellucid.store.migrate import migrate
from pellucid.store.store import Store
from pellucid.store.tables import METADATA
from tests.store.made import report

OPEN = "import sys; from pathlib import Path; from pellucid.store.store import Store; Store.open(Path(sys.argv[1]), sys.argv[2])"

# What `sqlite3 pellucid.sqlite .schema` said of a database that the version before migrations had made.
BEFORE = """
CREATE TABLE analyses (
	id VARCHAR(26) NOT NULL, created DATETIME NOT NULL, source VARCHAR(1024), sha256 VARCHAR(64) NOT NULL, pdq VARCHAR(64),
	verdict VARCHAR(16) NOT NULL, decision VARCHAR(16), probability FLOAT, bundle VARCHAR(128) NOT NULL, report JSON NOT NULL,
	embedding BLOB, PRIMARY KEY (id)
);
CREATE INDEX analyses_by_created ON analyses (created);
CREATE INDEX analyses_by_decision ON analyses (decision, id);
CREATE INDEX analyses_by_verdict ON analyses (verdict, id);
CREATE INDEX ix_analyses_sha256 ON analyses (sha256);
"""


def test_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    database = open_database(database_url)
    migrate(database)
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.dispose()


def test_a_second_start_changes_nothing(store: Store) -> None:
    migrate(store.database)
    with store.database.connect() as connection:
        assert len(connection.execute(text("SELECT version_num FROM alembic_version")).all()) == 1


def test_processes_may_open_a_new_database_at_once(database_url: str, tmp_path: Path) -> None:
    """`pellucid serve` twice, on a database that has no tables yet."""
    started = [subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path), database_url]) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4


def test_takes_a_database_over_that_knows_no_versions(tmp_path: Path) -> None:
    old = report(label="generated")
    with sqlite3.connect(tmp_path / "pellucid.sqlite") as connection:
        connection.executescript(BEFORE)
        row = (old.id, "2026-11-01 00:00:00.000000", "a.png", "0" * 64, None, "generated", None, 0.5, "b@1",
               json.dumps(old.model_dump(mode="json")), b"\0\0")  # fmt: skip
        connection.execute("INSERT INTO analyses VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
    connection.close()
    store = Store.open(tmp_path)
    assert store.get(old.id) == old
    assert store.standing(old.id).state == "answered"
    with store.database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()


def test_refuses_a_database_of_a_later_version(store: Store) -> None:
    with writing(store.database) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="another version"):
        migrate(store.database)


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "s3://bucket"])
def test_refuses_addresses_of_other_databases(url: str) -> None:
    with pytest.raises(ConfigError, match="PELLUCID_DATABASE_URL"):
        open_database(url)


def test_logs_ahead_so_that_readers_need_not_wait(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    store.close()
