"""What the console holds beside the `Service`: the secret that forms of unnamed visitors are signed with. Made by `app.py`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

SECRET_BYTES = 32


@dataclass(frozen=True)
class Office:
    """`secret` is of this process: who loads a form before a restart and sends it after loads it again."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(SECRET_BYTES), repr=False)


def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


Open = Annotated[Office, Depends(_office)]
