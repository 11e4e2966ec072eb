"""The proof of `benchmarks/kills.py` at a tenth of its length: nothing accepted is lost or answered twice; `.ci/run` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import KINDS, Missing, postgresql_programs, without

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("database", KINDS)
def test_nothing_accepted_is_lost_or_answered_twice_in_twenty_kills(database: str, repository: Path) -> None:
    if database == "postgresql":
        try:
            postgresql_programs()
        except Missing as why:
            without(why)
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "20", "--database", database]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    print(found.stdout)
    assert found.returncode == 0, found.stdout + found.stderr
