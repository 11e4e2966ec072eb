"""The real application, as the tests of `serve` make it; its logs, as a site would see them."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from pellucid.base.logs import configure_logs
from tests.serve.conftest import client, make_app, serve

__all__ = ["client", "make_app", "serve"]

Logs = Callable[..., io.StringIO]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """`logs(as_json=…, secrets=…)` → what is logged from now on, at the level debug."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def kept(as_json: bool = False, secrets: tuple[str, ...] = ()) -> io.StringIO:
        stream = io.StringIO()
        configure_logs("debug", as_json, stream, secrets)
        return stream

    yield kept
    root.handlers[:] = handlers
    root.setLevel(level)
