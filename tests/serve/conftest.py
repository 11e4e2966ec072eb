"""The real application around a fake analyser, and the same behind a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings
from pellucid.serve.engine import Analyser, Engine
from tests.serve.fake import FakeAnalyser

MakeApp = Callable[..., FastAPI]


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """`make_app(analyser, **settings)`."""

    def make(analyser: Analyser | Engine | None = None, **settings: object) -> FastAPI:
        return create_app(Settings(**{"data_dir": tmp_path / "data", **settings}), analyser or FakeAnalyser())

    return make


@pytest.fixture
def client(make_app: MakeApp) -> Iterator[TestClient]:
    with TestClient(make_app()) as client:
        yield client


@pytest.fixture
def serve(make_app: MakeApp) -> Iterator[Callable[..., int]]:
    """`serve(analyser, **settings)` starts a real server and gives its port."""
    with ExitStack() as stack:

        def start(analyser: Analyser | None = None, **settings: object) -> int:
            listening = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            server = uvicorn.Server(uvicorn.Config(make_app(analyser, **settings), log_config=None))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            stack.callback(_stop, server, thread)
            _wait_for(lambda: server.started)
            return int(listening.getsockname()[1])

        yield start


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(30)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
