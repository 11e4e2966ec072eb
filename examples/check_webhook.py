"""What the receiver of a webhook must check before it believes it, in Python's standard library alone (docs/webhooks.md).

    seen = SeenIds()
    event = checked(request.headers, request.body, [secret], seen)      # raises Refused

Refused are: a signature that is none of ours (HMAC-SHA256 over ID.TIMESTAMP.BODY, Standard Webhooks), a moment more than five
minutes from now, and an id that came before. The last two together stop what was recorded and sent again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TOLERANCE_S = 300


class Refused(Exception):
    """Answer 400 and do nothing; what was refused may be anybody's."""


@dataclass
class SeenIds:
    """Ids that came within the tolerance. A site with several receivers keeps them where all see them, with a unique key."""

    until: dict[str, float] = field(default_factory=dict)

    def add(self, message_id: str, now: float) -> bool:
        """False where it came before. What is older than any timestamp that is taken is forgotten."""
        self.until = {known: end for known, end in self.until.items() if end > now}
        if message_id in self.until:
            return False
        self.until[message_id] = now + 2 * TOLERANCE_S
        return True


def checked(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], seen: SeenIds, now: float | None = None
) -> dict[str, Any]:
    """The event. `body` is the bytes as they came: JSON that was read and written again has another signature."""
    now = time.time() if now is None else now
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Refused("no timestamp")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise Refused("a moment that is not now: recorded and sent again, or a clock is wrong")
    if not _is_signed(f"{message_id}.{timestamp}.".encode() + body, given.get("webhook-signature", ""), secrets):
        raise Refused("not signed with our secret")
    if not seen.add(message_id, now):
        raise Refused("an id that came before; answer 2xx to it, it was taken")
    event: dict[str, Any] = json.loads(body)
    return event


def _is_signed(signed: bytes, signatures: str, secrets: Sequence[str]) -> bool:
    """Every pair is compared, each in constant time. While a secret is exchanged there are two signatures."""
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()) for key in keys]
    sent = [one.removeprefix("v1,").encode() for one in signatures.split(" ") if one.startswith("v1,")]
    return sum(hmac.compare_digest(one, other) for one in sent for other in wanted) > 0
