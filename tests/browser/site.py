"""The real application on a real socket, and Debian's Chromium, steered by Playwright.

    with served(app) as origin: …            a server, stopped at the end
    with chromium() as browser: …            `Missing` says why there is none

A page that is opened through `Tab` keeps what the browser complains of: scripts or styles that the policy refuses, errors in the
console, requests that left the site.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

PASSWORD = "correct horse battery"
KEY = "k" * 32
PATIENCE_MS = 120_000
WIDTHS = {1280: 800, 390: 844}
Scheme = Literal["light", "dark"]


class Missing(Exception):
    """There can be no browser here, and why."""


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Its origin; ready to answer pictures."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        raise Missing("there is no chromium; apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


def axe_core() -> str:
    """The script of axe-core as `make browser` fetches it. Raises `Missing`."""
    path = Path(os.environ.get("AXE_CORE", Path(__file__).parents[2] / ".venv" / "axe" / "axe.min.js"))
    if not path.exists():
        raise Missing(f"there is no axe-core at {path}; `make browser` fetches it")
    return path.read_text()


@dataclass
class Tab:
    """`expected` are answers that a test asks for, such as a form with a mistake (422)."""

    page: Page
    origin: str
    expected: tuple[int, ...] = ()
    complaints: list[str] = field(default_factory=list)
    pressed: int = 0

    @classmethod
    def open(
        cls, browser: Browser, origin: str, width: int = 1280, scheme: Scheme = "light", state: StorageState | None = None
    ) -> Tab:
        size = {"width": width, "height": WIDTHS[width]}
        context = browser.new_context(
            viewport=size, color_scheme=scheme, reduced_motion="reduce", locale="en-GB", storage_state=state,
        )  # type: ignore[arg-type]  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        tab = cls(context.new_page(), origin)
        tab.page.on("console", lambda message: tab._console(message.type, message.text))
        tab.page.on("pageerror", lambda error: tab.complaints.append(f"error: {error}"))
        tab.page.on("request", lambda request: tab._request(request.url))
        tab.page.on("dialog", lambda dialog: (tab.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        return tab

    def go(self, path: str) -> int:
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        return answer.status

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def tab_to(self, selector: str, most: int = 40) -> None:
        """As somebody without a mouse comes to it."""
        for _ in range(most):
            if self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached by the Tab key")

    def sign_in(self, name: str, to: str = "/console") -> None:
        """By keyboard."""
        self.go(to)
        self.tab_to("[name=name]")
        self.page.keyboard.type(name)
        self.tab_to("[name=password]")
        self.page.keyboard.type(PASSWORD)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def close(self) -> None:
        """Fails on anything that the browser complained of."""
        self.page.context.close()
        assert not self.complaints

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(f"status of {status}" in text for status in self.expected):
            self.complaints.append(f"{kind}: {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.origin, "data:")):
            self.complaints.append(f"asked elsewhere: {url}")
