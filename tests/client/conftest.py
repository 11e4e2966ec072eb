"""The real application around a fake analyser, behind a real socket, and clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pellucid.client import Client, Retries
from tests.serve.conftest import make_app, serve

__all__ = ["make_app", "serve"]

# So that tests do not wait; who tests waiting says so.
QUICK = Retries(attempts=3, first_wait_s=0.01, longest_wait_s=2.0)
Serve = Callable[..., int]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pellucid(serve: Serve) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{serve()}", retries=QUICK) as client:
        yield client
