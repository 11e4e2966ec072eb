"""Answers that come later: `Prefer: respond-async` (RFC 7240) and `Idempotency-Key` (an IETF draft of the HTTP API group)."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Header, Request
from pydantic import BaseModel, Field

from pellucid.base.errors import InvalidParameter
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


class Pending(BaseModel):
    """Accepted, and not answered yet. Ask at `location`: 202 until it is answered, 200 and the report then."""

    id: str
    state: Literal["accepted"] = "accepted"
    created: str
    location: str = Field(description="Where the report will be, as the header `Location` says")


def wants_later(preference: str | None) -> bool:
    return bool(RESPOND_ASYNC.search(preference or ""))


def idempotency_key(request: Request, given: str | None, upload: Upload, hours: float) -> Key | None:
    """The key with what it stands for: keys of different callers, told apart by what they log in with, never meet."""
    if given is None:
        return None
    if len(request.headers.getlist("Idempotency-Key")) > 1:
        raise InvalidParameter("there are several headers Idempotency-Key; send one")
    owner = hashlib.sha256(request.headers.get("Authorization", "").encode()).hexdigest()
    sent = [hashlib.sha256(upload.data).hexdigest(), upload.source, upload.declared]
    fingerprint = hashlib.sha256(json.dumps(sent).encode()).hexdigest()
    return Key(owner, given, fingerprint, datetime.now(UTC) + timedelta(hours=hours))


def documented_pending(description: str) -> dict[int | str, dict[str, Any]]:
    headers = {
        "Location": {"description": "Where the report will be", "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds after which to ask", "schema": {"type": "integer"}},
    }
    return {202: {"model": Pending, "description": description, "headers": headers}}
