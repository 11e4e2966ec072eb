"""A site's end of webhooks: a real server that keeps what came and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Message:
    headers: dict[str, str]
    body: bytes


@dataclass
class Messages:
    """`status` is what the next one is answered with."""

    url: str
    status: int = 204
    came: list[Message] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Messages]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            messages.came.append(Message({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(messages.status)
            self.send_header("Location", messages.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        messages = Messages(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield messages
        server.shutdown()
        thread.join()
