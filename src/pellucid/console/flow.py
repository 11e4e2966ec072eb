"""A sign-in at an OpenID provider while it is under way, kept in a cookie of the browser that began it, and nowhere else.

Everything the protocol wants drawn anew (`state`, `nonce`, the PKCE verifier) is made of the one token in that cookie: what comes
back fits only in the browser that went, and any process of the site can take it up. Source: OpenID Connect Core 1.0, RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import quote, unquote

from pellucid.records.session import Token

# Time to type a password at the provider and to find a second factor.
SECONDS = 600


@dataclass(frozen=True)
class Flow:
    """`inside` is the page of the console to which the moderator was on his way."""

    token: Token
    inside: str

    @classmethod
    def begun(cls, inside: str) -> Flow:
        return cls(Token.drawn(), inside)

    @classmethod
    def parse(cls, cookie: str | None) -> Flow | None:
        """None where it has not the shape of one."""
        text, _, inside = (cookie or "").partition(".")
        token = Token.parse(text)
        return cls(token, unquote(inside)) if token else None

    @property
    def cookie(self) -> str:
        return f"{self.token.text}.{quote(self.inside, safe='')}"

    @property
    def state(self) -> str:
        return self.token.derived("oidc state")

    @property
    def nonce(self) -> str:
        return self.token.derived("oidc nonce")

    @property
    def verifier(self) -> str:
        return self.token.derived("oidc verifier")

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
