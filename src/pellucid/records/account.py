"""An account of the console: a name, the scopes of its role, and a password or an identity at an OpenID provider."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from pellucid.base.errors import InvalidParameter
from pellucid.records.actor import RESERVED, ActorName, Scope
from pellucid.records.report import Frozen

_NAMES: TypeAdapter[str] = TypeAdapter(ActorName)


class Account(Frozen):
    """What may be known of it; no password is here, nor its hash."""

    id: str
    name: str
    scopes: list[Scope]
    by_provider: bool
    created: datetime
    disabled: datetime | None = None
    last_signed_in: datetime | None = None


@dataclass(frozen=True)
class Identity:
    """Somebody as an OpenID provider vouches for him: by `issuer` and `subject` for good, `name` may be another's one day."""

    issuer: str
    subject: str
    name: str
    scopes: frozenset[Scope]

    @property
    def hash(self) -> str:
        return hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()


def check_name(name: str) -> None:
    """Raises `InvalidParameter`."""
    if not is_name(name):
        raise InvalidParameter(
            f"the name was {name[:80]!r}; allowed are 1 to 64 letters, digits, blanks and ._@+-, the first a letter or digit"
        )
    if handle_of(name) in RESERVED:
        raise InvalidParameter(f"{name!r} is nobody's name: rulings and the audit log use it; take another")


def is_name(text: str) -> bool:
    """Is it one that an account could have?"""
    try:
        _NAMES.validate_python(text)
    except ValidationError:
        return False
    return True


def handle_of(name: str) -> str:
    """Two names with one handle are one name."""
    return name.lower()
