"""An instance with cases, two moderators, and a browser. Where there is none, tests are skipped, or fail with REQUIRE_BROWSER."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, StorageState

from pellucid.app import create_app
from pellucid.base.settings import Settings
from pellucid.records.actor import load_roles
from pellucid.store.accounts import create_account
from pellucid.store.store import Store
from tests.browser.scripted import ScriptedAnalyser
from tests.browser.site import KEY, PASSWORD, Missing, Scheme, Tab, axe_core, chromium, served
from tests.browser.town import ANSWERS, Town, name

MODERATORS = ("Mira", "Jonas")


@dataclass
class Site:
    """`open()` gives a tab; `sign_in` one in which somebody is signed in."""

    origin: str
    store: Store
    client: httpx.Client
    browser: Browser
    tabs: ExitStack
    signed_in: dict[str, StorageState] = field(default_factory=dict)

    def open(self, width: int = 1280, scheme: Scheme = "light", state: StorageState | None = None) -> Tab:
        tab = Tab.open(self.browser, self.origin, width, scheme, state)
        self.tabs.callback(tab.close)
        return tab

    def sign_in(self, who: str = "Mira", width: int = 1280, scheme: Scheme = "light") -> Tab:
        """At the queue. Who has signed in before still is."""
        tab = self.open(width, scheme, self.signed_in.get(who))
        if who in self.signed_in:
            tab.go("/console/queue")
        else:
            tab.sign_in(who)
            self.signed_in[who] = tab.page.context.storage_state()
        return tab

    def town(self) -> Town:
        return Town(self.client).fill()


Start = Callable[..., Site]


def absent(why: Missing) -> None:
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(str(why))
    pytest.skip(str(why))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(chromium())
        except Missing as why:
            absent(why)
        yield found


@pytest.fixture(scope="session")
def axe() -> str:
    try:
        return axe_core()
    except Missing as why:
        absent(why)
        raise


@pytest.fixture
def start(tmp_path: Path, browser: Browser) -> Iterator[Start]:
    """`start(analyser, **settings)` → a site with accounts."""
    with ExitStack() as stack:

        def started(analyser: Any = None, **settings: Any) -> Site:
            scripted = ScriptedAnalyser({name(number): answer for number, answer in ANSWERS.items()})
            app = create_app(Settings(**{"data_dir": tmp_path / "data", "api_keys": (KEY,), **settings}), analyser or scripted)
            origin = stack.enter_context(served(app))
            headers = {"Authorization": f"Bearer {KEY}"}
            client = stack.enter_context(httpx.Client(base_url=origin, headers=headers, timeout=60))
            store: Store = app.state.service.store
            for each in MODERATORS:
                create_account(store.database, each, "moderator", PASSWORD, load_roles(), "cli:root", datetime.now(UTC))
            return Site(origin, store, client, browser, stack.enter_context(ExitStack()))

        yield started


@pytest.fixture
def site(start: Start) -> Site:
    return start()
