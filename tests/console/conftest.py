"""The real application around a fake analyser, asked as a browser asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings
from tests.serve.fake import FakeAnalyser

ORIGIN = "http://127.0.0.1:8000"
OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
Start = Callable[..., TestClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(**settings)` → a client of the service at 127.0.0.1:8000; redirects are not followed."""
    with ExitStack() as stack:

        def started(origin: str = ORIGIN, **settings: Any) -> TestClient:
            app = create_app(Settings(**{"data_dir": tmp_path / "data", **settings}), FakeAnalyser())
            return stack.enter_context(TestClient(app, base_url=origin, follow_redirects=False, raise_server_exceptions=False))

        yield started


@pytest.fixture
def client(start: Start) -> TestClient:
    return start()


def token_of(page: str) -> str:
    """The token of the first form on it."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, "the page has no form with a token"
    return found.group(1)
