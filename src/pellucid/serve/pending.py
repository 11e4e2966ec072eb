"""Answers that come later: `Prefer: respond-async` (RFC 7240) and `Idempotency-Key` (an IETF draft of the HTTP API group)."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Header, Request

from pellucid.base.errors import InvalidParameter
from pellucid.records.actor import Actor
from pellucid.records.service import Pending
from pellucid.serve.body import Upload
from pellucid.store.idempotency import Key

RETRY_AFTER_S = 1
RESPOND_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?=[,;]|$)", re.IGNORECASE)
KEY_PATTERN = r"^[!-~]{1,255}$"

Preference = Annotated[
    str | None, Header(alias="Prefer", description="`respond-async`: 202 at once, the report later", examples=["respond-async"])
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="Up to 255 printable characters of your choice: the same request sent again begins no second analysis",
    ),
]


def wants_later(preference: str | None) -> bool:
    return bool(RESPOND_ASYNC.search(preference or ""))


def idempotency_key(request: Request, actor: Actor, given: str | None, upload: Upload, hours: float) -> Key | None:
    """The key with what it stands for. Those of different callers never meet; a rotated API key is still the same caller."""
    if given is None:
        return None
    if len(request.headers.getlist("Idempotency-Key")) > 1:
        raise InvalidParameter("there are several headers Idempotency-Key; send one")
    owner = actor.key or actor.name
    sent = [hashlib.sha256(upload.data).hexdigest(), upload.source, upload.declared]
    fingerprint = hashlib.sha256(json.dumps(sent).encode()).hexdigest()
    return Key(owner, given, fingerprint, datetime.now(UTC) + timedelta(hours=hours))


def documented_pending(description: str) -> dict[int | str, dict[str, Any]]:
    headers = {
        "Location": {"description": "Where the report will be", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds after which to ask", "schema": {"type": "integer"}},
    }
    return {202: {"model": Pending, "description": description, "headers": headers}}
