"""Real databases for tests: a file for SQLite, and a PostgreSQL of our own in a temporary folder, as Debian packages it.

with postgresql() as server:                  a server, started and stopped; `Missing` says why there can be none
    url = new_database(server)                an empty database in it
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, make_url, text

from pellucid.base.ids import new_id

KINDS = ("sqlite", "postgresql")
# A server whose data nobody needs after a crash of the machine.
CARELESS = "-c fsync=off -c full_page_writes=off"
DURABLE = ""
PORTS_TRIED = 5
NEEDED = "PELLUCID_TESTS_NEED_POSTGRESQL"


class Missing(Exception):
    """There can be no PostgreSQL here, and why."""


def without(why: Missing) -> NoReturn:
    """Skip the test, saying why; in CI, where there must be one, fail it."""
    if os.environ.get(NEEDED):
        pytest.fail(f"{why}; {NEEDED} is set, so there must be one")
    pytest.skip(str(why))


@contextmanager
def postgresql(options: str = CARELESS) -> Iterator[str]:
    """The address of a private server on loopback; it refuses to run as root, so there it runs as Debian's user `postgres`."""
    programs = postgresql_programs()
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pellucid-pg-"))
    try:
        if owner:
            shutil.chown(folder, owner)
        _run([programs / "initdb", "-D", folder / "data", "-U", "pellucid", "-A", "trust", "-E", "UTF8", "--no-sync"], owner)
        control = [programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "60"]
        flags = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} {options}"
        port = _start(control, flags, folder / "log", owner)
        try:
            yield f"postgresql://pellucid@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """The address of an empty database of its own."""
    name = f"t{new_id().lower()}"
    engine = create_engine(make_url(server).set(drivername="postgresql+pg8000"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        raise Missing("there is no PostgreSQL under /usr/lib/postgresql; apt-get install postgresql")
    return found[-1].parent


def _start(control: list[str | Path], flags: str, log: Path, owner: str | None) -> int:
    """The port of the started server: another one where what was free is taken by the time the server binds it."""
    for _ in range(PORTS_TRIED):
        port = _free_port()
        try:
            _run([*control, "-l", log, "-o", f"-p {port} {flags}", "start"], owner)
            return port
        except AssertionError as failed:
            said = log.read_text() if log.exists() else str(failed)
            if "could not bind" not in said:
                break
    raise AssertionError(f"PostgreSQL did not start:\n{said}")


def _run(command: list[str | Path], owner: str | None) -> None:
    done = subprocess.run(
        command, user=owner, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])
