"""A session's token: 256 random bits in the moderator's cookie, of which the database keeps a SHA-256 (why no slow hash: key.py).

The token of forms is made of it and is no use without it: who can read the database can forge neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

TOKEN_BYTES = 32
SHAPE = re.compile(rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}")


@dataclass(frozen=True)
class Token:
    """What the cookie holds; `repr` leaves it out."""

    text: str

    @classmethod
    def drawn(cls) -> Token:
        return cls(secrets.token_hex(TOKEN_BYTES))

    @classmethod
    def parse(cls, text: str | None) -> Token | None:
        """None where it has not the shape of one."""
        return cls(text) if text is not None and SHAPE.fullmatch(text) else None

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def derived(self, purpose: str, secret: bytes = b"") -> str:
        """Another token for `purpose`, which nobody finds without this one, and without `secret` where there is one."""
        return hmac.new(secret + self.text.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "Token(…)"
