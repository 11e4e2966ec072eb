"""Send an event to the site's address, and say when to try again: later each time, at times that do not fall together.

Anything but 2xx is a failure, redirects too: an address that moved is the site's to set. 410 says that nobody wants it any more.
Logs name neither the address nor a secret: an address may hold a token.
"""

from __future__ import annotations

import http.client
import logging
import random
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from pellucid.base.errors import ConfigError
from pellucid.base.settings import PREFIX, Settings
from pellucid.base.webhook_signing import secret_key, signed_headers
from pellucid.serve.metrics import Metrics, package_version
from pellucid.store.deliveries import Delivery, Outbox

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 6 * 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receiver:
    """The site's end: one address, the keys to sign with, and what it is allowed to take."""

    url: str = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    timeout_s: float
    attempts: int

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None where the settings name no address. Raises `ConfigError`."""
        if settings.webhook_url is None:
            return None
        if not settings.webhook_secrets:
            raise ConfigError(f"{PREFIX}WEBHOOK_URL is set and {PREFIX}WEBHOOK_SECRETS is not; webhooks are always signed")
        try:
            keys = tuple(secret_key(secret.get_secret_value()) for secret in settings.webhook_secrets)
        except ValueError as error:
            raise ConfigError(f"{PREFIX}WEBHOOK_SECRETS: {error}") from None
        return cls(settings.webhook_url.get_secret_value(), keys, settings.webhook_timeout_s, settings.webhook_attempts)

    def post(self, message_id: str, body: bytes) -> int:
        """The status of the answer, of which nothing else is read. Raises `OSError` or `HTTPException` where there is none."""
        address = urlsplit(self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        headers = signed_headers(message_id, int(time.time()), body, self.keys)
        about = {"Content-Type": "application/json", "User-Agent": f"pellucid/{package_version()}"}
        connection = kind(address.hostname or "", address.port, timeout=self.timeout_s)
        try:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("POST", path, body, about | headers)
            return connection.getresponse().status
        finally:
            connection.close()


def send(outbox: Outbox, receiver: Receiver, delivery: Delivery, metrics: Metrics) -> None:
    """One attempt, and what came of it kept."""
    status: int | None = None
    try:
        status = receiver.post(delivery.id, delivery.body.encode())
        problem = "" if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else f"the receiver answered with status {status}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        problem = f"the receiver cannot be reached ({type(error).__name__})"
    if not problem and status is not None:
        outbox.delivered(delivery, status)
        metrics.deliveries.labels("delivered").inc()
        return
    dead = delivery.attempts >= receiver.attempts or status == HTTPStatus.GONE
    log.warning("webhook %s (%s), attempt %d: %s", delivery.id, delivery.event, delivery.attempts, problem)
    outbox.failed(delivery, status, problem, None if dead else wait_s(delivery.attempts, random.Random()))
    metrics.deliveries.labels("dead" if dead else "retried").inc()


def wait_s(attempts: int, luck: random.Random) -> float:
    """Seconds after `attempts` failed ones: 5, 20, 80, … up to six hours, each half to one and a half times as long."""
    return min(FIRST_WAIT_S * 4.0 ** (attempts - 1), LONGEST_WAIT_S) * luck.uniform(0.5, 1.5)
