"""A small OpenID provider on a real socket: it publishes keys, lets `user` in without asking, and signs what a test wants.

with openid() as provider:                   settings(provider) are those of the console
    provider.claims = {"groups": ["staff"]}  what the next ID token says beside the usual
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "console@site", "a secret/with: signs"


@dataclass
class OpenId:
    """What it says of itself, of its user, and what it was asked."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}))
    published: list[RSAKey] | None = None
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "k1"})
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    token_status: int = 200
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "oidc_issuer": self.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET,
            "oidc_roles": "trust and safety=moderator,admins=administrator", "public_url": "http://127.0.0.1:8000", **more,
        }  # fmt: skip

    def let_in(self, address: str) -> dict[str, str]:
        """What the browser brings back after its user was let in at `address`."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = secrets.token_urlsafe()
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            named = {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "authorization_response_iss_parameter_supported": True,
            }  # fmt: skip
            return named | self.discovery
        return {"keys": [key.as_dict(private=False) for key in self.published or [self.key]]}

    def exchanged(self, form: dict[str, str]) -> dict[str, Any] | None:
        """None where the code is not one, was used, or does not fit."""
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.token or self.signed(asked["nonce"])}

    def signed(self, nonce: str) -> str:
        said = {
            "iss": self.issuer, "sub": "248289761001", "aud": CLIENT, "exp": int(time.time()) + 300, "iat": int(time.time()),
            "nonce": nonce, "preferred_username": "anna", "groups": ["trust and safety"],
        } | self.claims  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(self.header, said, self.key, [self.header["alg"]])


@contextmanager
def openid() -> Iterator[OpenId]:
    provider = OpenId()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            self._send(200, provider.document(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            provider.forms.append(form)
            provider.headers.append(dict(self.headers))
            found = provider.exchanged(form)
            self._send(provider.token_status if found else 400, found or {"error": "invalid_grant"})

        def _send(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
