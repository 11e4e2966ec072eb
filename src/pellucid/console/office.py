"""What the console holds beside the `Service`: the secret of forms of unnamed visitors, and the reasons to quote.

Made by `app.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from pellucid.console.provider import Provider
from pellucid.records.reasons import Reasons, load_reasons

SECRET_BYTES = 32
PASSWORDS_AT_ONCE = 2


@dataclass(frozen=True)
class Office:
    """`secret` is of this process: who loads a form before a restart and sends it after loads it again."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(SECRET_BYTES), repr=False)
    reasons: Reasons = field(default_factory=load_reasons)
    provider: Provider | None = None
    # Each takes 64 MiB and a core.
    verifying: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PASSWORDS_AT_ONCE), repr=False)


def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


Open = Annotated[Office, Depends(_office)]
