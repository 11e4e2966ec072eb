"""The real application around an analyser that accuses everyone, with helpers to upload, appeal and rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings
from tests.feedback.accuser import Accuser
from tests.pictures import png

REAL = {"verdict": "no_ai_found", "reason": "I saw the negative."}
FAKE = {"verdict": "generated", "reason": "Six fingers."}
Start = Callable[..., TestClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(accuser, **settings)` → a client of the service."""
    with ExitStack() as stack:

        def started(analyser: Any = None, **settings: Any) -> TestClient:
            app = create_app(Settings(**{"data_dir": tmp_path / "data", **settings}), analyser or Accuser())
            return stack.enter_context(TestClient(app))

        yield started


@pytest.fixture
def client(start: Start) -> TestClient:
    return start()


@pytest.fixture
def two(start: Start, tmp_path: Path) -> TestClient:
    """Every ruling that overturns needs two moderators."""
    from pellucid.base.settings import shipped

    policy = tmp_path / "recourse.toml"
    text = (shipped("policies") / "recourse.toml").read_text()
    policy.write_text(text.replace('two_moderators = "never"', 'two_moderators = "overturning"'))
    return start(recourse_policy=policy)


def upload(client: TestClient, data: bytes | None = None, **form: str) -> dict[str, Any]:
    answer = client.post("/v1/analyses", files={"file": ("a.png", data or png())}, data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rule(client: TestClient, analysis: str, wish: dict[str, Any], actor: str = "ann") -> dict[str, Any]:
    answer = client.post(f"/v1/analyses/{analysis}/rulings", json={"actor": actor, **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()


def appeal(client: TestClient, analysis: str, reason: str = "I took it myself.") -> dict[str, Any]:
    answer = client.post(f"/v1/analyses/{analysis}/appeals", json={"reason": reason})
    assert answer.status_code == 201, answer.text
    return answer.json()


def flag(client: TestClient, analysis: str, says: str = "generated") -> dict[str, Any]:
    answer = client.post(f"/v1/analyses/{analysis}/flags", json={"says": says})
    assert answer.status_code == 201, answer.text
    return answer.json()


def report(client: TestClient, analysis: str) -> dict[str, Any]:
    return client.get(f"/v1/analyses/{analysis}").json()
