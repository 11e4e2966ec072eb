"""Where the service is and how it is asked: address, key, timeouts; and the answer to "and now?" after each attempt."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import Any

import httpx2

from pellucid.client.calls import Call, T
from pellucid.client.errors import ConnectionFailed, TimedOut, UnexpectedAnswer
from pellucid.client.reading import asked_wait_s, error_in
from pellucid.client.retries import OF_A_PROXY, REFUSED, USUAL, Retries

LOCAL = "http://127.0.0.1:8000"
URL, API_KEY = "PELLUCID_URL", "PELLUCID_API_KEY"
# An answer may take PELLUCID_ANALYSIS_TIMEOUT_S (30 s); who is not there at all need not be waited for.
TIMEOUT_S = 60.0
CONNECT_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    url: str
    api_key: str | None = field(repr=False)
    timeout_s: float = TIMEOUT_S
    retries: Retries = USUAL
    luck: random.Random = field(default_factory=random.Random, repr=False)

    @classmethod
    def of(cls, url: str | None, api_key: str | None, timeout_s: float, retries: Retries) -> Endpoint:
        """What is not given is taken from the environment. Raises `ValueError`."""
        address = (url or os.environ.get(URL) or LOCAL).rstrip("/")
        if not _is_address(address):
            raise ValueError(f"the address is {address!r}; allowed is http://HOST[:PORT] or https://…, as in {LOCAL}")
        key = (api_key or os.environ.get(API_KEY) or "").strip() or None
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("the API key holds a space, a line break or a letter that no key has; copy it again")
        return cls(address, key, timeout_s, retries)

    def http(self) -> dict[str, Any]:
        """What an `httpx2` client is made with. Redirects are not followed: the key is for this address only."""
        headers = {"User-Agent": "pellucid-client", "Accept": "*/*"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        timeout = httpx2.Timeout(self.timeout_s, connect=min(CONNECT_S, self.timeout_s))
        return {"base_url": self.url, "headers": headers, "timeout": timeout, "follow_redirects": False}

    def after(self, call: Call[T], attempt: int, answer: httpx2.Response, retries: Retries | None = None) -> float | None:
        """Seconds until it is sent again; None where the answer is a good one. Raises `ApiError` or `UnexpectedAnswer`."""
        error = error_in(answer)
        if error is None:
            return None
        told = not isinstance(error, UnexpectedAnswer)
        may = answer.status_code in (OF_A_PROXY if call.repeatable else REFUSED) and (told or call.repeatable)
        wait_s = (retries or self.retries).wait_s(attempt, asked_wait_s(answer), self.luck) if may else None
        if wait_s is None:
            raise error
        return wait_s

    def after_failure(self, call: Call[T], attempt: int, failure: httpx2.RequestError, retries: Retries | None = None) -> float:
        """Seconds until it is sent again. Raises `ConnectionFailed`, or `UnexpectedAnswer` where what came cannot be unpacked."""
        if not isinstance(failure, httpx2.TransportError):
            raise UnexpectedAnswer(f"{call.method} {self.url}{call.path}: {type(failure).__name__} {failure}") from failure
        nothing_sent = isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        may = call.repeatable or nothing_sent
        wait_s = (retries or self.retries).wait_s(attempt, None, self.luck) if may else None
        if wait_s is None:
            kind = TimedOut if isinstance(failure, httpx2.TimeoutException) else ConnectionFailed
            tried = f"{attempt} attempts" if attempt > 1 else "one attempt"
            what = f"{call.method} {self.url}{call.path}: {type(failure).__name__} after {tried} {failure}"
            raise kind(what.rstrip()) from failure
        return wait_s


def _is_address(text: str) -> bool:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)
