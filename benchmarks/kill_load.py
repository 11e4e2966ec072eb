"""Clients that send pictures to a service that dies all the time, and remember exactly what they were told."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from PIL import Image

SIDE = 24
TIMEOUT_S = 30.0


@dataclass
class Told:
    """One picture: how it was sent, how often, and what came back. `id` is None where no answer came: it may be accepted."""

    sha256: str
    key: str | None
    later: bool
    sent: int = 0
    id: str | None = None
    report: dict[str, Any] | None = None


class Load:
    """`running` sends; `finish` stops new pictures and sends on what has a key and no answer. `told` is complete after that."""

    def __init__(self, port: int, seed: int) -> None:
        self.told: list[Told] = []
        self._port = port
        self._luck = random.Random(seed)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def acknowledged(self) -> int:
        return sum(told.id is not None for told in self.told[:])

    def wait_for_one_more(self, longest_s: float) -> None:
        before, until = self.acknowledged, time.monotonic() + longest_s
        while self.acknowledged == before and time.monotonic() < until:
            time.sleep(0.02)

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()
        yield
        self.finish()

    def finish(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        while not self._ending.is_set():
            told, body = self._next()
            # Without a key nobody may send again: it could be a second picture.
            while self._ask(told, body) is None and told.key is not None:
                time.sleep(0.05)
            time.sleep(0.01)

    def _next(self) -> tuple[Told, bytes]:
        with self._lock:
            body = _picture(self._luck)
            key = f"key-{len(self.told)}" if self._luck.random() < 0.5 else None
            told = Told(hashlib.sha256(body).hexdigest(), key, later=self._luck.random() < 0.5)
            self.told.append(told)
        return told, body

    def _ask(self, told: Told, body: bytes) -> str | None:
        """The id if the picture is accepted for certain."""
        headers = {"Content-Type": "image/png"}
        headers |= {"Prefer": "respond-async"} if told.later else {}
        headers |= {"Idempotency-Key": told.key} if told.key else {}
        told.sent += 1
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/analyses", body, headers)
            answer = connection.getresponse()
            self._remember(told, answer.status, json.loads(answer.read()))
        connection.close()
        return told.id

    def _remember(self, told: Told, status: int, content: dict[str, Any]) -> None:
        if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            told.id = content["id"]
            told.report = content if status == HTTPStatus.OK else None


def _picture(luck: random.Random) -> bytes:
    """Noise: no two are the same."""
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), luck.randbytes(SIDE * SIDE * 3)).save(file, "PNG")
    return file.getvalue()
