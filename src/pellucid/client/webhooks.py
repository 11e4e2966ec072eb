"""The receiver's end of webhooks: is it from Pellucid, and from just now? (docs/webhooks.md; Standard Webhooks 1.0.)

The timestamp is signed, so that a message that was recorded cannot be sent again later than the tolerance. Within it the service
itself may send one twice, under the same `message_id`: remember those of the last minutes and pass over the second.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.base.ids import is_id
from pellucid.base.webhook_signing import secret_key, signed_headers
from pellucid.client.errors import WebhookRefused

TOLERANCE_S = 300.0
MESSAGE, MOMENT, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


@dataclass(frozen=True)
class WebhookEvent:
    """`type` is `analysis.answered`, `….failed` or `….changed`, perhaps others later; `analysis` is what it is about."""

    message_id: str
    type: str
    timestamp: str
    analysis: str
    data: Mapping[str, Any]


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> WebhookEvent:
    """The event in `body`, the bytes exactly as they came.

    One good signature by one of the `secrets` (`whsec_…`) is enough, so that a secret can be exchanged. Raises `WebhookRefused`
    where the message is not to be believed, `ValueError` where a secret is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, moment, signatures = (_header(given, name) for name in (MESSAGE, MOMENT, SIGNATURE))
    timestamp = _timestamp(moment)
    keys = [secret_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    expected = signed_headers(message_id, timestamp, body, keys)[SIGNATURE].split()
    # Every pair is compared, in constant time, so that the time it takes says nothing.
    matches = [hmac.compare_digest(sent.encode(), own.encode()) for sent in signatures.split() for own in expected]
    if True not in matches:
        raise WebhookRefused("no signature of the message was made with one of the secrets")
    age_s = (time.time() if now is None else now) - timestamp
    if abs(age_s) > tolerance_s:
        raise WebhookRefused(f"the message is {age_s:.0f} s old; allowed are {tolerance_s:g} s either way; check the clock")
    return _event(message_id, body)


def _header(headers: Mapping[str, str], name: str) -> str:
    if not headers.get(name):
        raise WebhookRefused(f"the message has no header {name}")
    return headers[name]


def _timestamp(moment: str) -> int:
    if not (moment.isascii() and moment.isdecimal() and len(moment) <= 15):
        raise WebhookRefused(f"the header {MOMENT} is no number of seconds")
    return int(moment)


def _event(message_id: str, body: bytes) -> WebhookEvent:
    try:
        fields: Any = json.loads(body)
        data = fields["data"]
        event = WebhookEvent(message_id, str(fields["type"]), str(fields["timestamp"]), str(data["id"]), data)
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookRefused("the message is signed and is no event of Pellucid") from error
    if not is_id(event.analysis):
        raise WebhookRefused("the message is signed and names no analysis")
    return event
