"""A chat endpoint at the edge: a real HTTP server that says what a test wants, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = bytes | str | Callable[[dict[str, Any]], str]


def completion(text: str, logprob: float | None = -0.1, finish: str = "stop") -> bytes:
    """A chat completion of `text`, a token a letter, as vLLM answers it; None: without probabilities."""
    tokens = [{"token": letter, "bytes": list(letter.encode("utf-8", "replace")), "logprob": logprob} for letter in text]
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return json.dumps({"choices": [choice | {"logprobs": {"content": tokens} if logprob is not None else None}]}).encode()


@dataclass
class Chat:
    """`answer` is the whole body where it is bytes, else the model's text, or made from the request."""

    answer: Answer = '{"caption": "A made sentence."}'
    status: int = 200
    seconds: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def body(self, request: dict[str, Any]) -> bytes:
        text = self.answer(request) if callable(self.answer) else self.answer
        return text if isinstance(text, bytes) else completion(text)


@contextmanager
def serving(chat: Chat) -> Iterator[Chat]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.asked.append(request)
            chat.headers.append(dict(self.headers))
            time.sleep(chat.seconds)
            content = chat.body(request)
            self.send_response(chat.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
