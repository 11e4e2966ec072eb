"""A real server that answers as it was told to, one answer a request, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """`status` 0 is to break the line without an answer."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, code: str, **headers: str) -> Answer:
    body = f'{{"code": "{code}", "status": {status}, "title": "A title", "detail": "What was.", "instance": "/v1"}}'
    return Answer(status, body.encode(), PROBLEM, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Flaky:
    url: str
    answers: list[Answer]
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def flaky(*answers: Answer) -> Iterator[Flaky]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = server.answers.pop(0)
            if answer.status == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Type": answer.kind, "Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Flaky(f"http://127.0.0.1:{http.server_address[1]}", list(answers))
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def codes_of(asked: Sequence[tuple[str, str, dict[str, str], bytes]], header: str) -> list[str]:
    return [headers[header] for _, _, headers, _ in asked]
