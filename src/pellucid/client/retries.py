"""When a request is sent again, and after how long: `Retry-After` is honoured, and many clients do not come back together.

429, 503 of the service    it has done nothing yet: always
no connection at all       nothing was sent: always
502, 503, 504 of a proxy,
a line that broke, no answer in time
                           it may have been done: only what does no more when it is done twice (reading; an analysis, which
                           has an `Idempotency-Key`)
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

REFUSED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
OF_A_PROXY = (*REFUSED, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


@dataclass(frozen=True)
class Retries:
    """`attempts` is 1 for never again. Waits double from `first_wait_s`; a longer one than `longest_wait_s` is not waited."""

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, attempt: int, asked_s: float | None, luck: random.Random) -> float | None:
        """Seconds until the next attempt after `attempt` of them, at least those the service `asked` for; None is no more."""
        if attempt >= self.attempts or (asked_s or 0.0) > self.longest_wait_s:
            return None
        drawn_s = self.first_wait_s * 2.0 ** (attempt - 1) * luck.uniform(0.5, 1.0)
        # A quarter on top of what was asked for: who was sent away together comes back apart.
        return max(min(drawn_s, self.longest_wait_s), (asked_s or 0.0) * luck.uniform(1.0, 1.25))


USUAL = Retries()


def retry_after_s(header: str | None) -> float | None:
    """Seconds or a date (RFC 9110); None where there is none or it cannot be read."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
