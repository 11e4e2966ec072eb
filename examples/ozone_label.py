"""Pellucid's verdicts as labels in Bluesky Ozone: AI is labelled, doubt never is, and a label goes when a ruling is against it.

    platform ── picture, later ─→ Pellucid ── webhook (signed) ─→ /hooks/pellucid ── tools.ozone.moderation.emitEvent ─→ Ozone

Which verdict becomes which label, and why: `labels_of`, and a table in docs/integrations.md. Rulings are told by the webhook
too; `recheck` looks at every picture again, for when the hook was away for longer than Pellucid tries.

    export PELLUCID_URL=… PELLUCID_API_KEY=…            a key with `read`
    export PELLUCID_WEBHOOK_SECRETS=whsec_…             as the service has them
    export OZONE_URL=… OZONE_ADMIN_PASSWORD=… OZONE_DID=did:plc:…
    python -m examples.ozone_label 8301                 serve
    python -m examples.ozone_label recheck
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from examples.receiving import Hook, Subjects, from_pellucid, server

from pellucid.client import Client, NotFound, WebhookEvent
from pellucid.records.report import Report

GENERATED, LIKELY, EDITED = "ai-generated", "likely-ai-generated", "ai-edited"
TIMEOUT_S = 8.0


@dataclass(frozen=True)
class Ozone:
    url: str
    admin_password: str
    did: str

    def emit(self, event: Mapping[str, Any]) -> None:
        """Again is harmless: Ozone knows an event by its `externalId` and refuses a second one. Raises `OSError`."""
        try:
            answer = httpx2.post(
                f"{self.url}/xrpc/tools.ozone.moderation.emitEvent",
                json=event,
                auth=("admin", self.admin_password),
                timeout=TIMEOUT_S,
            )
        except httpx2.TransportError as error:
            raise OSError(f"Ozone cannot be reached ({type(error).__name__})") from error
        if answer.is_success or _error(answer) == "DuplicateExternalId":
            return
        raise OSError(f"Ozone answered with status {answer.status_code}: {answer.text[:200]}")


def labels_of(report: Report) -> list[str]:
    """At most one. Pixels alone say "likely"; who declared, signed or ruled says so without it; `unsure` says nothing."""
    verdict = report.verdict
    if verdict.label == "edited" and verdict.basis:
        return [EDITED]
    if verdict.label == "generated" and verdict.basis:
        return [LIKELY] if verdict.basis == ["inference"] else [GENERATED]
    return []


def event_of(report: Report, subject: Mapping[str, Any], standing: list[str], did: str) -> dict[str, Any] | None:
    """The event that leads from the labels that stand to those that should; None where they are the same."""
    wanted = labels_of(report)
    create, negate = [each for each in wanted if each not in standing], [each for each in standing if each not in wanted]
    if not create and not negate:
        return None
    decided_by = report.ruling.id if report.ruling else report.id
    about = {"analysis": report.id, "basis": report.verdict.basis, "model": report.model.bundle}
    event = {
        "event": {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": create,
            "negateLabelVals": negate,
            "comment": report.verdict.text,
        },
        "subject": {"$type": "com.atproto.repo.strongRef", "uri": subject["id"], "cid": subject["cid"]},
        "createdBy": did,
        "modTool": {"name": "pellucid", "meta": about},
        "externalId": f"pellucid-{report.id}-{decided_by}-{'+'.join(wanted) or 'none'}",
    }
    return {**event, "subjectBlobCids": [subject["blob_cid"]]} if "blob_cid" in subject else event


def post(pellucid: Client, ozone: Ozone, subjects: Subjects, analysis: str) -> None:
    subject = subjects.of(analysis)
    if subject is None:
        raise LookupError("not written down yet by who sent the picture; it comes again")
    report = pellucid.get(analysis)
    event = event_of(report, subject, subjects.posted(analysis), ozone.did)
    if event is not None:
        ozone.emit(event)
        subjects.posted(analysis, labels_of(report))


def recheck(pellucid: Client, ozone: Ozone, subjects: Subjects) -> None:
    """Labels that a ruling has made wrong are taken away, and those it has made right are set."""
    for analysis in subjects.all():
        try:
            post(pellucid, ozone, subjects, analysis)
        except NotFound:
            continue


def hooks(pellucid: Client, ozone: Ozone, subjects: Subjects, secrets: list[str]) -> dict[str, Hook]:
    def answered(event: WebhookEvent) -> None:
        if event.type in ("analysis.answered", "analysis.changed"):
            post(pellucid, ozone, subjects, event.analysis)

    return {"/hooks/pellucid": from_pellucid(secrets, answered)}


def _error(answer: httpx2.Response) -> str:
    try:
        fields = answer.json()
    except ValueError:
        return ""
    return str(fields.get("error", "")) if isinstance(fields, dict) else ""


def main(asked: str) -> None:
    setting = os.environ
    ozone = Ozone(setting["OZONE_URL"].rstrip("/"), setting["OZONE_ADMIN_PASSWORD"], setting["OZONE_DID"])
    subjects = Subjects(Path("subjects.sqlite"))
    with Client() as pellucid:
        if asked == "recheck":
            recheck(pellucid, ozone, subjects)
            return
        with server(hooks(pellucid, ozone, subjects, setting["PELLUCID_WEBHOOK_SECRETS"].split(",")), int(asked)) as listening:
            print(f"hook at http://127.0.0.1:{listening.server_port}/hooks/pellucid")
            listening.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "8301")
