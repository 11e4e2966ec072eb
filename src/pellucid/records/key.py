"""An API key: `pel_<id>_<secret>`, of which the database keeps the id and a hash of the secret.

The secret is 256 random bits. A slow hash (argon2, bcrypt) protects what people think up, by making each guess dear; nobody
guesses 256 bits at any price, and a slow hash on every request would cost more than most requests do. So it is plain SHA-256.
The shape has a fixed beginning, so that scanners find keys that were published by mistake and logs leave the secret out.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import PATTERN, new_id
from pellucid.records.actor import RESERVED, ActorName, Scope
from pellucid.records.report import Frozen

SECRET_BYTES = 32
SHAPE = re.compile(rf"pel_({PATTERN.strip('^$')})_([0-9a-f]{{{2 * SECRET_BYTES}}})")
WINDOW_S = 60
State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class Secret:
    """A key as its holder sends it; `repr` leaves out what must stay his."""

    id: str
    secret: str

    @classmethod
    def drawn(cls, key_id: str | None = None) -> Secret:
        """For a new id, or for the one given where only the secret is to be new."""
        return cls(key_id or new_id(), secrets.token_hex(SECRET_BYTES))

    @property
    def text(self) -> str:
        return f"pel_{self.id}_{self.secret}"

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Secret({self.id})"


class KeyWish(Frozen):
    """What a new key is to be. Its scopes are named, or those of a role are taken."""

    name: ActorName = Field(description="Who holds it: the actor that rulings and the audit log keep", examples=["photo-app"])
    role: str | None = Field(None, max_length=64, description="A role of the site's policy", examples=["platform"])
    scopes: frozenset[Scope] = Field(frozenset(), description="Instead of a role")
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="Without it the key is good until it is revoked")
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="Requests a minute; without it there is no limit")

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if (self.role is None) == (not self.scopes):
            raise ValueError("give either a role or scopes")
        if self.name.lower() in RESERVED:
            raise ValueError(f"{self.name!r} is nobody's name: rulings and the audit log use it; take another")
        return self


class Key(Frozen):
    """What may be known of a key; neither the secret nor its hash is here."""

    id: str
    name: str
    scopes: list[Scope]
    state: State
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    overlap_until: datetime | None = Field(None, description="Until then the secret before the last rotation is let in too")
    per_minute: int | None = None
    last_used: date | None = Field(None, description="The day, in UTC")


@dataclass(frozen=True)
class Allowance:
    """What a key may still ask. The bucket holds `per_minute` tokens and is full again in `reset_s`; refused: come after that."""

    per_minute: int
    remaining: int
    reset_s: int
    refused: bool = False


def wish(**fields: Any) -> KeyWish:
    """Raises `InvalidParameter`."""
    try:
        return KeyWish(**fields)
    except ValidationError as error:
        complaints = "; ".join(".".join([*map(str, one["loc"]), one["msg"]]) for one in error.errors(include_input=False))
        raise InvalidParameter(f"no such key can be made: {complaints}") from error


def parse(text: str) -> Secret | None:
    """The parts of a key as it was sent; None where it has not the shape of one."""
    found = SHAPE.fullmatch(text)
    return Secret(*found.groups()) if found else None


def state_of(revoked: datetime | None, expires: datetime | None, at: datetime) -> State:
    if revoked is not None:
        return "revoked"
    return "expired" if expires is not None and expires <= at else "active"


def token_s(per_minute: int) -> float:
    """Seconds in which one token comes back."""
    return WINDOW_S / per_minute


def allowance(per_minute: int, bucket_full: float, at: float, refused: bool) -> Allowance:
    """Of a bucket that will be full at `bucket_full`, `at` being now (seconds). Refused, `reset_s` leads to the next token."""
    # Seconds since 1970 are exact to about 2e-7 as floats: 59.999 tokens of that arithmetic are 60, and 30.0000001 s are 30.
    if refused:
        left_s = round(bucket_full + token_s(per_minute) - WINDOW_S - at, 5)
        return Allowance(per_minute, 0, max(math.ceil(left_s), 1), refused=True)
    remaining = math.floor(round((at + WINDOW_S - bucket_full) / token_s(per_minute), 2))
    return Allowance(per_minute, remaining, math.ceil(bucket_full - at))
