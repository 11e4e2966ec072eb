"""Coop's end, in our own words from its documentation (roostorg/coop at 1c1f54d, Apache-2.0):

    docs/api/items.md             what an item is, where it is posted, 202
    docs/api/README.md            X-API-KEY
    docs/api/actions.md           what Coop posts when an action is taken
    docs/development/api-auth.md  Coop-Signature: RSASSA-PKCS1-v1_5, SHA-256, over the raw body, in base64
    docs/api/errors.md            how it says no

Real HTTP on loopback; refuses what does not fit and keeps what does.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal

import httpx2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, ValidationError

ITEM_TYPE = "picture-type-id"
API_KEY = "coop-api-key"


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Picture(Exact):
    """The item type as docs/integrations.md tells a site to define it: names, kinds, none of them required but the verdict."""

    images: list[StrictStr] = []
    pellucid_verdict: StrictStr
    pellucid_basis: StrictStr = ""
    pellucid_text: StrictStr = ""
    pellucid_probability: StrictFloat | StrictInt | None = None
    pellucid_accused_per_10000: StrictFloat | StrictInt | None = None
    pellucid_decision: StrictStr = ""
    pellucid_rule: StrictStr = ""
    pellucid_bank: StrictStr = ""
    pellucid_caption: StrictStr = ""
    pellucid_analysis: StrictStr = ""


class Item(Exact):
    id: Annotated[StrictStr, Field(min_length=1)]
    typeId: Literal["picture-type-id"]
    data: Picture
    typeVersion: StrictStr | None = None
    typeSchemaVariant: Literal["original", "partial"] | None = None


class Items(Exact):
    items: Annotated[list[Item], Field(min_length=1)]


class Ref(Exact):
    id: StrictStr
    typeId: StrictStr
    typeName: StrictStr | None = None


class Named(Exact):
    id: StrictStr
    name: StrictStr | None = None
    penalty: Literal["NONE", "LOW", "MEDIUM", "HIGH", "SEVERE"] | None = None


class Action(Exact):
    """What Coop posts to a callback; the fields that are not always there may lack."""

    item: Ref
    action: Named
    policies: list[Named]
    rules: list[Named] = []
    custom: dict[str, Any] = {}
    actorEmail: StrictStr | None = None
    actorNote: StrictStr | None = None
    creator: Ref | None = None
    decisionReason: StrictStr | None = None
    userStrikeCount: StrictInt | None = None


@dataclass
class CoopSide:
    """`down` is to answer 503; `items` are those that were taken."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    items: list[Item] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    down: bool = False

    def server(self) -> ThreadingHTTPServer:
        side = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = side.take(self.path, self.headers.get("X-API-KEY"), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def take(self, path: str, api_key: str | None, body: bytes) -> tuple[int, bytes]:
        if self.down:
            return 503, b""
        if path != "/api/v1/items/async/":
            return 404, b""
        if api_key != API_KEY:
            return 401, _error(401, "Invalid API Key")
        try:
            self.items += Items.model_validate_json(body).items
        except ValidationError as error:
            self.refused.append(str(error))
            return 400, _error(400, str(error))
        return 202, b""

    def act(self, url: str, action: dict[str, Any], signed_by: rsa.RSAPrivateKey | None = None) -> int:
        """Posts an action to the example's callback, signed; returns the status."""
        body = Action.model_validate(action).model_dump_json(exclude_none=True).encode()
        return self.post(url, body, signed_by)

    def post(self, url: str, body: bytes, signed_by: rsa.RSAPrivateKey | None = None) -> int:
        signature = (signed_by or self.key).sign(body, PKCS1v15(), hashes.SHA256())
        headers = {"coop-signature": base64.b64encode(signature).decode(), "Content-Type": "application/json"}
        return httpx2.post(url, content=body, headers=headers).status_code


def _error(status: int, title: str) -> bytes:
    return json.dumps({"errors": [{"status": status, "type": ["/errors/invalid-user-input"], "title": title}]}).encode()
