"""Bring a database to the tables of this version: a chain of Alembic revisions, run in one transaction at the start.

Several processes may start at once on a new or an old database. The first takes the writer's place (SQLite) or an advisory lock
(PostgreSQL), the others wait for it and then find nothing to do. A database from before revisions were kept has the tables of
revision 0000 and no version: it is taken over as that.
"""

from __future__ import annotations

from importlib.resources import files

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect, text

from pellucid.base.errors import ConfigError
from pellucid.store.database import writing

FIRST = "0000"
# Any number will do that no other user of the same database locks by.
LOCK = 7_355_822_436


def migrate(engine: Engine) -> None:
    """Raises `ConfigError` where a newer Pellucid made the database."""
    folder = str(files("pellucid.store.migrations"))
    script = ScriptDirectory(folder, version_locations=[f"{folder}/versions"])
    with engine.connect() as connection:
        if set(MigrationContext.configure(connection).get_current_heads()) == set(script.get_heads()):
            return
    with writing(engine) as connection:
        _wait_for_turn(connection)
        _take_over(connection, script)
        _upgrade(connection, script)


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _take_over(connection: Connection, script: ScriptDirectory) -> None:
    context = MigrationContext.configure(connection)
    if not context.get_current_heads() and inspect(connection).has_table("analyses"):
        context.stamp(script, FIRST)


def _upgrade(connection: Connection, script: ScriptDirectory) -> None:
    def steps(current: tuple[str, ...], _: object) -> object:
        return script._upgrade_revs("head", current)  # type: ignore[arg-type]  # noqa: SLF001

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": script})
    try:
        with Operations.context(context):
            context.run_migrations()
    except CommandError as error:
        raise ConfigError(f"the database is of another version of Pellucid than this one: {error}") from error
