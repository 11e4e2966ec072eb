"""What all tests share: a clean environment, one encoder thread, and Hypothesis without a clock."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import NEEDED, Missing, postgresql, without

# Two cores run two test workers: no library may take both cores for itself. Set before any of them is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A busy machine must not fail a property; a found counterexample must come again on every run of CI.
settings.register_profile("pellucid", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("pellucid"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "pellucid")


def pytest_configure() -> None:
    """Fixtures of a module run before those of a test: what they train is sent nowhere either, and their clients are let in."""
    os.environ["PELLUCID_TRACKING_URL"] = "none"
    os.environ["PELLUCID_HOST_NAMES"] = "testserver"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own PELLUCID_ variables change no test, and runs are sent nowhere unless a test says so."""
    for name in [name for name in os.environ if name.startswith("PELLUCID_") and name != NEEDED]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PELLUCID_TRACKING_URL", "none")
    # The name that Starlette's test client asks for.
    monkeypatch.setenv("PELLUCID_HOST_NAMES", "testserver")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Commands that a test runs send all logs to a stream that is closed with the test: the next one has its own again."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server; where there can be none tests are skipped, saying why, and fail in CI."""
    try:
        with postgresql() as server:
            yield server
    except Missing as why:
        without(why)


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shipped_bundle(repository: Path) -> Path:
    """The bundle inside the package: what `pellucid serve` answers with."""
    folder = repository / "src" / "pellucid" / "defaults" / "bundle"
    if not (folder / "bundle.json").exists():
        pytest.fail(f"{folder} is not a bundle: it has no bundle.json; `make bundle` makes it")
    return folder
