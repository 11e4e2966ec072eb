"""What both examples need: an HTTP server for hooks, and which of the platform's items an analysis was made of.

A hook does its work before it answers, and answers 503 where it cannot: then Pellucid sends the message again, later each time,
and no queue of our own is needed. What is posted on must therefore bear being posted twice; both examples say why it does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pellucid.client import ApiError, ConnectionFailed, NotFound, StillWaiting, WebhookEvent, WebhookRefused, verify_webhook

Hook = Callable[[bytes, Mapping[str, str]], int]
MAX_BYTES = 1 << 20


class Subjects:
    """Analysis → the platform's item (JSON with an `id`), and what was posted of it. A platform has this in its own tables."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as table, table:
            table.execute("CREATE TABLE IF NOT EXISTS subjects (analysis TEXT PRIMARY KEY, item TEXT, subject TEXT, posted TEXT)")
            table.execute("CREATE TABLE IF NOT EXISTS taken (message TEXT PRIMARY KEY)")

    def remember(self, analysis: str, subject: Mapping[str, Any]) -> None:
        with closing(self._open()) as table, table:
            row = (analysis, subject["id"], json.dumps(subject), "[]")
            table.execute("INSERT OR REPLACE INTO subjects VALUES (?, ?, ?, ?)", row)

    def of(self, analysis: str) -> dict[str, Any] | None:
        with closing(self._open()) as table:
            row = table.execute("SELECT subject FROM subjects WHERE analysis = ?", (analysis,)).fetchone()
        return json.loads(row[0]) if row else None

    def analysis_of(self, item: str) -> str | None:
        """The newest analysis of an item."""
        with closing(self._open()) as table:
            row = table.execute("SELECT max(analysis) FROM subjects WHERE item = ?", (item,)).fetchone()
        return row[0]

    def posted(self, analysis: str, labels: list[str] | None = None) -> list[str]:
        """The labels that stand, after `labels` were posted in their place where those are given."""
        with closing(self._open()) as table, table:
            if labels is not None:
                table.execute("UPDATE subjects SET posted = ? WHERE analysis = ?", (json.dumps(labels), analysis))
            return list(json.loads(table.execute("SELECT posted FROM subjects WHERE analysis = ?", (analysis,)).fetchone()[0]))

    def all(self) -> Iterator[str]:
        with closing(self._open()) as table:
            yield from [row[0] for row in table.execute("SELECT analysis FROM subjects ORDER BY analysis")]

    def was_taken(self, message: str) -> bool:
        with closing(self._open()) as table:
            return table.execute("SELECT 1 FROM taken WHERE message = ?", (message,)).fetchone() is not None

    def take(self, message: str) -> None:
        with closing(self._open()) as table, table:
            table.execute("INSERT OR IGNORE INTO taken VALUES (?)", (message,))

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)


def from_pellucid(secrets: list[str], work: Callable[[WebhookEvent], None]) -> Hook:
    """A hook that believes only what Pellucid signed. `work` may raise; then the message comes again."""

    def hook(body: bytes, headers: Mapping[str, str]) -> int:
        try:
            event = verify_webhook(body, headers, secrets)
        except WebhookRefused:
            return 401
        try:
            work(event)
        except NotFound:
            return 204  # deleted meanwhile: there is nothing to post
        except (ApiError, ConnectionFailed, StillWaiting, LookupError, OSError):
            return 503
        return 204

    return hook


def server(hooks: Mapping[str, Hook], port: int = 0) -> ThreadingHTTPServer:
    """Serves `hooks` by their path on loopback; put a proxy with TLS before it."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 20

        def do_POST(self) -> None:
            hook, length = hooks.get(self.path), int(self.headers.get("Content-Length") or 0)
            status = 413 if length > MAX_BYTES else 404
            if hook and length <= MAX_BYTES:
                status = hook(self.rfile.read(length), dict(self.headers.items()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
