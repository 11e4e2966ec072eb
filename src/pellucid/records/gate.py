"""What the gate decided of a candidate: every rule with its figure, its limit and its place in the policy, and the outcome.

The record seals itself: `seal` is a hash over everything else in it, so that a later change is noticed when it is read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically
from pellucid.records.report import Frozen

SCHEMA = 1
State = Literal["passed", "failed", "not measured"]


class Finding(Frozen):
    """One rule on one part of the evaluation. `place` is FILE:LINE of its limit; `required`: not measured is a refusal."""

    rule: str
    part: str
    state: State
    figure: float | None = None
    limit: float | None = None
    words: str
    place: str
    required: bool = True

    @property
    def refuses(self) -> bool:
        return self.state == "failed" or (self.state == "not measured" and self.required)


class Parties(Frozen):
    """Who was compared by what: labels of the bundles, and hashes of the files that were read."""

    candidate: str
    candidate_sha256: tuple[str, ...]
    champion: str | None = None
    champion_sha256: str | None = None
    policy: str
    policy_sha256: str


class GateRecord(Frozen):
    """The decision and everything it rests on, made with `sealed`."""

    schema_version: int = Field(default=SCHEMA, alias="schema")
    parties: Parties
    passed: bool
    findings: tuple[Finding, ...]
    created: str
    command: str
    machine: str
    git_commit: str
    seal: str = ""

    model_config = {"populate_by_name": True}

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.refuses)

    def sealed(self) -> Self:
        return self.model_copy(update={"seal": self._hash()})

    @property
    def is_whole(self) -> bool:
        return self.seal == self._hash()

    def _hash(self) -> str:
        content = self.model_dump(mode="json", by_alias=True, exclude={"seal"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_gate(record: GateRecord, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, record.model_dump_json(by_alias=True, indent=1).encode())


def read_gate(path: Path) -> GateRecord:
    """Raises `DataError` where the file is no gate record, of another schema, or was changed since it was sealed."""
    try:
        record = GateRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is not a gate record: {error}") from error
    if record.schema_version != SCHEMA:
        raise DataError(f"{path} has schema {record.schema_version}; this version reads {SCHEMA}")
    if not record.is_whole:
        raise DataError(f"{path} was changed: its seal is not that of its content; run `pellucid gate` again")
    return record
