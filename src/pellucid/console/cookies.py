"""The console's cookies: HttpOnly, SameSite=Lax, and over https with the prefix `__Host-`, so that no other host can set them.

| cookie | holds |
|---|---|
| `pellucid` | the token of a session |
| `pellucid-visit` | a token of whoever has not signed in, for the forms he is shown |
| `pellucid-oidc` | the token of a sign-in at an OpenID provider, while that is under way |

Lax and not Strict: who comes back from the provider, or follows a link in a ticket, is signed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import Request, Response

from pellucid.base.errors import InsecureSignIn
from pellucid.base.settings import PREFIX, Settings, is_loopback
from pellucid.serve.origin import name_of

Name = Literal["pellucid", "pellucid-visit", "pellucid-oidc"]
SESSION: Name = "pellucid"
VISIT: Name = "pellucid-visit"
FLOW: Name = "pellucid-oidc"
PATH = "/console"


@dataclass(frozen=True)
class Cookies:
    """Those of one request. Over https a cookie without the prefix is not looked at: it may have been set over http."""

    request: Request
    secure: bool

    @classmethod
    def of(cls, request: Request, settings: Settings) -> Cookies:
        """Raises `InsecureSignIn` where they would go over the net in the open."""
        secure = request.scope["scheme"] == "https" or (settings.public_url or "").startswith("https:")
        host = name_of(request.headers.get("host", ""))
        if not (secure or is_loopback(host) or (settings.on_loopback and host in settings.host_names)):
            raise InsecureSignIn(
                f"the console was asked for by http at {host[:80]!r}; allowed is https, or http on loopback; "
                f"behind a proxy that ends TLS set {PREFIX}PUBLIC_URL"
            )
        return cls(request, secure)

    def get(self, name: Name) -> str | None:
        return self.request.cookies.get(self._full(name))

    def put(self, response: Response, name: Name, value: str, seconds: int | None = None) -> None:
        """Without `seconds` until the browser is closed."""
        # The prefix demands the whole site as path; /v1 does not look at cookies.
        path = "/" if self.secure else PATH
        response.set_cookie(
            self._full(name), value, max_age=seconds, path=path, secure=self.secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, name: Name) -> None:
        self.put(response, name, "", 0)

    def _full(self, name: Name) -> str:
        return f"__Host-{name}" if self.secure else name
