"""The proof that no accepted picture is lost or answered twice: `kill -9` at random moments, under load, again and again.

    python -m benchmarks.kills --kills 200 --database sqlite --database postgresql --out docs/proofs/kills.md

The real service with the tiny bundle of the tests. Clients send pictures in every way there is (waiting or not, with an
idempotency key or not); after a random time its process is killed and another started on the same database. At the end the last
one works off what is left, and everything clients were told is held against the database, the objects and the webhooks that came.

A process is forked from one that has imported the code and done nothing else, so that a start takes a second and not ten.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kill_check import SECRET, Finding, check
from benchmarks.kill_load import Load
from tests.databases import new_database, postgresql
from tests.seaweed import free_ports
from tests.serve.receiver import Messages, receiving

ROOT = Path(__file__).parents[1]
POLICY = 'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'
CLIENTS = 4
# One in five dies this long after its fork, mostly while it starts; the others this long after the first picture they accepted.
EARLY = 0.2
LIFE_S = (0.0, 1.5)
START_S = 120.0
DRAIN_S = 300.0


@dataclass(frozen=True)
class Site:
    """Where one proof runs."""

    database: str
    url: str
    folder: Path
    port: int
    messages: Messages

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PELLUCID_DATABASE_URL": self.url,
            "PELLUCID_DATA_DIR": str(self.folder / "data"),
            "PELLUCID_BUNDLE": str(self.folder / "bundle"),
            "PELLUCID_POLICY": str(self.folder / "policy.toml"),
            "PELLUCID_PORT": str(self.port),
            "PELLUCID_THREADS": "4",
            "PELLUCID_MODEL_THREADS": "1",
            "PELLUCID_LEASE_S": "1",
            # Whoever is killed in the middle has begun in vain: here that is the rule, and no sign of a bad picture.
            "PELLUCID_JOB_ATTEMPTS": "1000",
            "PELLUCID_WEBHOOK_URL": self.messages.url,
            "PELLUCID_WEBHOOK_SECRETS": SECRET,
            "PELLUCID_LOG_LEVEL": "warning",
        }


class Nursery:
    """The process that has imported everything; each line it is sent makes it fork a new server."""

    def __init__(self, site: Site) -> None:
        self._living: int | None = None
        self._log = (site.folder / "log").open("ab")
        command = [sys.executable, "-m", "benchmarks.kill_nursery"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=site.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )

    def start(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        self._living = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Returns once it is dead and its port is free."""
        if self._living is not None:
            os.kill(self._living, signal.SIGKILL)
            while _lives(self._living):
                time.sleep(0.01)
        self._living = None

    def close(self) -> None:
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._log.close()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def prove(site: Site, kills: int, seed: int) -> Finding:
    """`kills` lives and deaths, then a last life to the end of the work."""
    luck = random.Random(seed)
    load = Load(site.port, seed)
    began = time.monotonic()
    with closing(Nursery(site)) as nursery:
        with load.running(CLIENTS):
            for number in range(kills):
                nursery.start()
                if luck.random() >= EARLY:
                    load.wait_for_one_more(START_S)
                time.sleep(luck.uniform(*LIFE_S))
                nursery.kill()
                if number % 10 == 9:
                    print(f"  {number + 1} kills, {load.acknowledged} pictures acknowledged", flush=True)
            nursery.start()
            # Whoever was cut off sends again with the same key, and is answered now.
            load.finish()
        found = check(site.url, site.folder / "data", load.told, site.messages.came, DRAIN_S)
    return Finding(site.database, kills, time.monotonic() - began, *found)


@contextmanager
def sites(databases: Sequence[str]) -> Iterator[Iterator[Site]]:
    """One after another, each in a folder of its own."""
    with ExitStack() as stack:

        def open_site(database: str) -> Site:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pellucid-kills-")))
            (folder / "policy.toml").write_text(POLICY)
            _make_bundle(folder / "bundle")
            url = f"sqlite:///{folder / 'pellucid.sqlite'}"
            if database == "postgresql":
                url = new_database(stack.enter_context(postgresql(options="")))
            return Site(database, url, folder, free_ports(1)[0], stack.enter_context(receiving()))

        yield (open_site(database) for database in databases)


def _make_bundle(folder: Path) -> None:
    """In a process of its own: what it needs (onnx) is not part of the service."""
    code = "import sys; from pathlib import Path; from tests.tiny_bundle import make_tiny_bundle as m; m(Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, env=environment, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown with what was found")
    asked = parser.parse_args()
    found: list[Finding] = []
    with sites(asked.database or ["sqlite", "postgresql"]) as each:
        for site in each:
            print(f"{site.database}: {asked.kills} kills", flush=True)
            found.append(prove(site, asked.kills, asked.seed))
            print(found[-1].text(), flush=True)
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(_page(found, asked.kills, asked.seed))
    return 0 if all(finding.sound for finding in found) else 1


def _page(found: Sequence[Finding], kills: int, seed: int) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    day = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"""# {kills} kills on each database

What `make proof-kills` found on {day} (seed {seed}; {os.cpu_count()} cores, leases of 1 s). {CLIENTS} clients
send small pictures to the real service with a tiny bundle. Its process is killed with `kill -9`, one in five within
{LIFE_S[1]:g} s of its start, the others within {LIFE_S[1]:g} s of the first picture they accepted, and started anew on
the same database. PostgreSQL runs with its default durability. How it works, and what this does not show (power failures,
disks that lie), is in [store.md](../store.md).

"""
    return head + Finding.table(found)


if __name__ == "__main__":
    sys.exit(main())
