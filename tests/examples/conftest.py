"""A real Pellucid whose webhooks reach an example's real server."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from examples.receiving import Hook, Subjects, server

from pellucid.client import Client
from tests.client.conftest import QUICK, Serve
from tests.serve.conftest import make_app, serve
from tests.serve.fake import FakeAnalyser

__all__ = ["make_app", "serve"]

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@dataclass
class World:
    """`hooks` are those of the example, filled in when its other side is there; `statuses` are what they answered."""

    pellucid: Client
    subjects: Subjects
    hooks: dict[str, Hook]
    statuses: list[int]
    analyser: FakeAnalyser
    url: str

    def join(self, hooks: dict[str, Hook]) -> None:
        for path, hook in hooks.items():
            self.hooks[path] = self._noted(hook)

    def _noted(self, hook: Hook) -> Hook:
        def noted(body: bytes, headers: object) -> int:
            self.statuses.append(hook(body, headers))  # type: ignore[arg-type]
            return self.statuses[-1]

        return noted

    def send(self, picture: bytes, subject: dict[str, str], declared: str | None = None) -> str:
        """As a platform does: the picture first, then which item it is of; answered no sooner than that is written down."""
        self.analyser.gate.clear()
        pending = self.pellucid.analyse(picture, later=True, declared=declared)  # type: ignore[call-overload]
        self.subjects.remember(pending.id, subject)
        self.analyser.gate.set()
        return str(pending.id)


@pytest.fixture
def world(serve: Serve, tmp_path: Path) -> Iterator[World]:
    hooks: dict[str, Hook] = {}
    analyser = FakeAnalyser()
    with running(server(hooks)) as port:
        url = f"http://127.0.0.1:{port}"
        at = f"http://127.0.0.1:{serve(analyser, webhook_url=f'{url}/hooks/pellucid', webhook_secrets=(SECRET,))}"
        with Client(at, retries=QUICK) as client:
            yield World(client, Subjects(tmp_path / "subjects.sqlite"), hooks, [], analyser, url)


@contextmanager
def running(http: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield http.server_port
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
