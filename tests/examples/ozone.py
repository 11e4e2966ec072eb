"""Ozone's end, in our own words from the lexicons (bluesky-social/atproto at d6296a1, MIT or Apache-2.0):

    lexicons/tools/ozone/moderation/emitEvent.json   input, errors SubjectHasAction and DuplicateExternalId
    lexicons/tools/ozone/moderation/defs.json        modEventLabel, modTool
    lexicons/com/atproto/repo/strongRef.json         the subject: a record in one version
    lexicons/com/atproto/label/defs.json             label (val of 128 bytes), labelValueDefinition ([a-z-]+, severity, blurs)
    packages/ozone/src/api/moderation/emitEvent.ts   a label holds no space, comma, semicolon or quote; moderators only

and who may ask from bluesky-social/ozone at 99dce84: HOSTING.md (OZONE_ADMIN_PASSWORD is an API key), docs/api.md.
Objects of a lexicon are open; here they are closed, so that a misspelt field is found.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, StringConstraints, ValidationError

PASSWORD = "ozone-admin-password"
DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"

Did = Annotated[StrictStr, StringConstraints(pattern=r"^did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]$", max_length=2048)]
AtUri = Annotated[StrictStr, StringConstraints(pattern=r"^at://did:[a-z]+:[a-zA-Z0-9._:%-]+/[a-zA-Z0-9.-]+/[a-zA-Z0-9._~:-]+$")]
Cid = Annotated[StrictStr, StringConstraints(pattern=r"^[a-zA-Z0-9+=]{8,256}$")]
LabelValue = Annotated[StrictStr, StringConstraints(pattern=r"^!?[a-z-]+$", max_length=128)]


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ModEventLabel(Exact):
    type: Literal["tools.ozone.moderation.defs#modEventLabel"] = Field(alias="$type")
    createLabelVals: list[LabelValue]
    negateLabelVals: list[LabelValue]
    comment: StrictStr | None = None
    durationInHours: StrictInt | None = None


class StrongRef(Exact):
    type: Literal["com.atproto.repo.strongRef"] = Field(alias="$type")
    uri: AtUri
    cid: Cid


class ModTool(Exact):
    name: StrictStr
    meta: Any = None


class EmitEvent(Exact):
    event: ModEventLabel
    subject: StrongRef
    createdBy: Did
    subjectBlobCids: list[Cid] | None = None
    modTool: ModTool | None = None
    externalId: StrictStr | None = None


class Strings(Exact):
    lang: StrictStr
    name: Annotated[StrictStr, Field(max_length=64)]
    description: Annotated[StrictStr, Field(max_length=10_000)]


class LabelValueDefinition(Exact):
    identifier: Annotated[StrictStr, StringConstraints(pattern=r"^[a-z-]+$", max_length=100)]
    severity: Literal["inform", "alert", "none"]
    blurs: Literal["content", "media", "none"]
    defaultSetting: Literal["hide", "warn", "ignore"] | None = None
    locales: Annotated[list[Strings], Field(min_length=1)]


@dataclass
class OzoneSide:
    """`events` are those that were taken; the labels that stand follow from them."""

    events: list[EmitEvent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    duplicates: int = 0
    down: bool = False

    def labels(self, uri: str) -> list[str]:
        standing: dict[str, None] = {}
        for each in self.events:
            if each.subject.uri == uri:
                standing |= dict.fromkeys(each.event.createLabelVals)
                standing = {label: None for label in standing if label not in each.event.negateLabelVals}
        return list(standing)

    def server(self) -> ThreadingHTTPServer:
        side = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = side.take(self.path, self.headers.get("Authorization"), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def take(self, path: str, authorization: str | None, body: bytes) -> tuple[int, bytes]:
        if self.down:
            return 502, b""
        if path != "/xrpc/tools.ozone.moderation.emitEvent":
            return 404, _error("MethodNotImplemented")
        if authorization != "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode():
            return 401, _error("AuthMissing")
        try:
            event = EmitEvent.model_validate_json(body)
        except ValidationError as error:
            self.refused.append(str(error))
            return 400, _error("InvalidRequest")
        if event.externalId and (event.externalId, event.subject) in [(each.externalId, each.subject) for each in self.events]:
            self.duplicates += 1
            return 400, _error("DuplicateExternalId")
        self.events.append(event)
        return 200, b'{"id": 1}'


def _error(name: str) -> bytes:
    return json.dumps({"error": name, "message": name}).encode()
