"""Requests whose length two readers could understand differently, on a real socket: none gets a second request past a proxy."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

Serve = Callable[..., int]
HEAD = b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ask(serve: Serve) -> Callable[[bytes], bytes]:
    """All that comes back for these bytes until the server closes the connection, which it must do within 10 seconds."""
    port = serve()

    def asked(sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(sent)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)

    return asked


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
        b"Content-Length: 2, 5\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: 0x2\r\n\r\n{}",
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
        b"Content-Length : 2\r\n\r\n{}",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
)
def test_a_doubtful_length_is_refused_and_the_connection_closed(ask: Callable[[bytes], bytes], framing: bytes) -> None:
    answer = ask(HEAD + framing + SECOND)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1, "what followed was taken for a request"
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "request_line_and_headers",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"GET /health\0z HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /v1/search?q=" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"G\x1bT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["no host", "two hosts", "zero in a header", "zero in the address", "endless header", "endless address", "odd method"],
)
def test_a_head_that_is_none_is_refused(ask: Callable[[bytes], bytes], request_line_and_headers: bytes) -> None:
    try:
        answer = ask(request_line_and_headers)
    except ConnectionResetError:  # still sending when the answer was out
        return
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_two_same_lengths_are_one(ask: Callable[[bytes], bytes]) -> None:
    answer = ask(HEAD + b"Connection: close\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_http_2_and_web_sockets_are_not_switched_to(ask: Callable[[bytes], bytes]) -> None:
    for upgrade in (b"h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", b"websocket\r\nSec-WebSocket-Version: 13"):
        answer = ask(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: " + upgrade + b"\r\n\r\n"
        )
        assert b" 101 " not in answer.partition(b"\r\n")[0]
