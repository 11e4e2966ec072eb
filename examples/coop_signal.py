"""Pellucid's answers as fields of items in ROOST Coop, and the decisions of Coop's moderators as rulings in Pellucid.

    platform ── picture, later ─→ Pellucid ── webhook (signed) ─→ /hooks/pellucid ── item ─→ Coop: rules on `pellucid_…`
                                     ↑                                                         │ a moderator decides
                                     └──── ruling ──────────────── /hooks/coop ←── action (Coop-Signature) ─┘

A signal inside Coop is a plug-in of its server in TypeScript; from outside, what Coop's rules look at are fields of the item
(docs/integrations.md has the fields to define, and which part of Coop's documentation says what).

    export PELLUCID_URL=… PELLUCID_API_KEY=…            a key with `read` and `moderate`
    export PELLUCID_WEBHOOK_SECRETS=whsec_…             as the service has them
    export COOP_URL=… COOP_API_KEY=… COOP_ITEM_TYPE=…   Settings → API Keys; Settings → Item Types
    export COOP_VERIFICATION_KEY=coop.pem               "Webhook Signature Verification Key"
    python -m examples.coop_signal 8300
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from examples.receiving import Hook, Subjects, from_pellucid, server

from pellucid.client import ApiError, Client, ConnectionFailed, WebhookEvent
from pellucid.records.label import RuledVerdict
from pellucid.records.report import Report

# The site's own actions in Coop, and what one means for the picture where a moderator takes it. Any other says nothing about AI.
RULINGS: Mapping[str, RuledVerdict] = {"label-as-ai": "generated", "label-as-ai-edited": "edited", "clear-of-ai": "no_ai_found"}
TIMEOUT_S = 8.0


@dataclass(frozen=True)
class Coop:
    url: str
    api_key: str
    item_type: str
    verification_key: RSAPublicKey

    def submit(self, item: Mapping[str, Any]) -> None:
        """Again is harmless: an item of the same id and type is the same item, looked at anew. Raises `OSError`."""
        try:
            answer = httpx2.post(
                f"{self.url}/api/v1/items/async/", json={"items": [item]}, headers={"X-API-KEY": self.api_key}, timeout=TIMEOUT_S
            )
        except httpx2.TransportError as error:
            raise OSError(f"Coop cannot be reached ({type(error).__name__})") from error
        if answer.status_code != httpx2.codes.ACCEPTED:
            raise OSError(f"Coop answered with status {answer.status_code}: {answer.text[:200]}")

    def is_from_coop(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """RSASSA-PKCS1-v1_5 with SHA-256 over the raw body, in base64."""
        given = {name.lower(): value for name, value in headers.items()}.get("coop-signature", "")
        try:
            self.verification_key.verify(base64.b64decode(given, validate=True), body, PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def item_of(report: Report, subject: Mapping[str, Any], item_type: str) -> dict[str, Any]:
    """The picture as an item. Fields are flat, as Coop's rules compare them; what is not known is left out."""
    inference, decided = report.inference, report.moderation
    fields = {
        "images": [subject["image_url"]] if "image_url" in subject else None,
        "pellucid_verdict": report.verdict.label,
        "pellucid_basis": ",".join(report.verdict.basis) or None,
        "pellucid_text": report.verdict.text,
        "pellucid_probability": inference and inference.probability,
        "pellucid_accused_per_10000": inference and inference.budget and inference.budget.accused_per_10000,
        "pellucid_decision": decided and decided.decision,
        "pellucid_rule": decided and decided.rule,
        "pellucid_bank": report.matches[0].bank if report.matches else None,
        "pellucid_caption": report.caption and report.caption.text,
        "pellucid_analysis": report.id,
    }
    data = {name: value for name, value in fields.items() if value is not None}
    return {"id": subject["id"], "typeId": item_type, "data": data}


def hooks(pellucid: Client, coop: Coop, subjects: Subjects, secrets: list[str]) -> dict[str, Hook]:
    def answered(event: WebhookEvent) -> None:
        if event.type not in ("analysis.answered", "analysis.changed"):
            return
        subject = subjects.of(event.analysis)
        if subject is None:
            raise LookupError("not written down yet by who sent the picture; it comes again")
        coop.submit(item_of(pellucid.get(event.analysis), subject, coop.item_type))

    def acted(body: bytes, headers: Mapping[str, str]) -> int:
        if not coop.is_from_coop(body, headers):
            return 401
        # The signature holds no time, so that a recorded message could be sent again: every body is taken once.
        message = hashlib.sha256(body).hexdigest()
        if subjects.was_taken(message):
            return 204
        try:
            _rule(pellucid, subjects, json.loads(body))
        except (ApiError, ConnectionFailed):
            return 503
        except (ValueError, KeyError, TypeError):
            return 400
        subjects.take(message)
        return 204

    return {"/hooks/pellucid": from_pellucid(secrets, answered), "/hooks/coop": acted}


def _rule(pellucid: Client, subjects: Subjects, action: Mapping[str, Any]) -> None:
    """A person's decision becomes a ruling. A rule's has no `actorEmail`: a machine that heard us is no second opinion."""
    verdict, who = RULINGS.get(action["action"]["id"]), action.get("actorEmail")
    analysis = subjects.analysis_of(action["item"]["id"])
    if verdict is None or not who or analysis is None:
        return
    reason = action.get("decisionReason") or action.get("actorNote") or f"Decided in Coop: {action['action']['id']}"
    actor = re.sub(r"[^A-Za-z0-9 ._@+-]", "-", who)[:63].lstrip(" ._@+-") or "moderator"
    pellucid.rule(analysis, verdict, reason[:2000], actor=actor)


def main(port: int) -> None:
    setting = os.environ
    key = load_pem_public_key(Path(setting["COOP_VERIFICATION_KEY"]).read_bytes())
    assert isinstance(key, RSAPublicKey), "Coop's verification key is an RSA key"
    coop = Coop(setting["COOP_URL"].rstrip("/"), setting["COOP_API_KEY"], setting["COOP_ITEM_TYPE"], key)
    secrets = setting["PELLUCID_WEBHOOK_SECRETS"].split(",")
    with Client() as pellucid, server(hooks(pellucid, coop, Subjects(Path("subjects.sqlite")), secrets), port) as listening:
        print(f"hooks at http://127.0.0.1:{listening.server_port}/hooks/pellucid and /hooks/coop")
        listening.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8300)
