"""The audit log's entries, each bound to the one before by a hash: no entry can be changed, moved, added or left out unseen.

    hash = SHA-256 of the canonical JSON (RFC 8785) of {seq, time, actor, action, subject, details, previous}
    previous = hash of entry seq - 1; 64 zeros before the first

Canonical JSON is a standard, so that an export can be checked with other tools. Who can rewrite the whole table can also make a
new chain, and a cut-off end leaves none that is broken: both are found by a checkpoint (`SEQ:HASH`) that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import rfc8785
from pydantic import JsonValue, StringConstraints

from pellucid.base.errors import InvalidParameter
from pellucid.records.report import Frozen

_CHECKPOINT = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


class Change(Frozen):
    """What is to be recorded. `action` is `thing.happened`, `subject` the id of the thing; no secrets in `details`."""

    actor: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,128}$")]
    action: Annotated[str, StringConstraints(pattern=r"^[a-z]+(\.[a-z_]+)+$", max_length=64)]
    subject: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
    details: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class Entry:
    """A row of the log as it is stored: `time` is RFC 3339 in UTC with microseconds, `details` canonical JSON."""

    seq: int
    time: str
    actor: str
    action: str
    subject: str
    details: str
    previous: str
    hash: str

    def fields(self) -> dict[str, Any]:
        """As the export writes it, `details` being an object."""
        return {**self.__dict__, "details": json.loads(self.details)}


@dataclass(frozen=True)
class Head:
    """The last entry of a chain, by number and hash; as text it is a checkpoint."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True)
class Walk:
    """How far a walk came: `head` is the last sound entry, `fault` what is wrong with the next, None where nothing is."""

    head: Head
    entries: int
    fault: str | None = None


def chain(change: Change, before: Head, at: datetime) -> Entry:
    """The entry of `change` after `before`. Raises `InvalidParameter` where `details` hold what JSON cannot (NaN, 2**60)."""
    try:
        details = _canonical(change.details)
        bare = Entry(before.seq + 1, timestamp(at), change.actor, change.action, change.subject, details, before.hash, "")
        return replace(bare, hash=digest(bare))
    except rfc8785.CanonicalizationError as error:
        raise InvalidParameter(f"this cannot be written to the audit log: {error}") from error


def walk(entries: Iterable[Entry], before: Head = GENESIS, checkpoints: Mapping[int, str] | None = None) -> Walk:
    """Follow the chain from `before` to the first entry that is broken, or to its end. Checkpoints must be met on the way."""
    kept = dict(checkpoints or {})
    head, count = before, 0
    for entry in entries:
        if problem := _problem(entry, head, kept.get(entry.seq)):
            return Walk(head, count, problem)
        head, count = Head(entry.seq, entry.hash), count + 1
    missing = max(kept, default=0)
    if missing > head.seq:
        return Walk(head, count, f"entries {head.seq + 1} to {missing} are missing: the chain once went so far")
    return Walk(head, count)


def digest(entry: Entry) -> str:
    """Raises `ValueError` where the fields are nothing that was ever written."""
    fields = entry.fields()
    del fields["hash"]
    return hashlib.sha256(rfc8785.dumps(fields)).hexdigest()


def checkpoint(text: str) -> Head:
    """`SEQ:HASH`. Raises `InvalidParameter`."""
    found = _CHECKPOINT.fullmatch(text.strip())
    if found is None:
        raise InvalidParameter(f"the checkpoint {text[:80]!r} is not SEQ:HASH, as `pellucid audit verify` prints it")
    return Head(int(found.group(1)), found.group(2))


def timestamp(moment: datetime) -> str:
    """Of one length, so that texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _problem(entry: Entry, before: Head, kept: str | None) -> str | None:
    if entry.seq != before.seq + 1:
        return f"entry {before.seq + 1} is missing: after {before.seq} comes {entry.seq}"
    if entry.previous != before.hash:
        return f"entry {entry.seq} does not follow the one before it: `previous` is another hash"
    if not _is_as_hashed(entry):
        return f"entry {entry.seq} was changed: its hash is not that of what it says"
    if kept is not None and kept != entry.hash:
        return f"entry {entry.seq} is not the one of the checkpoint: the chain was made anew"
    return None


def _is_as_hashed(entry: Entry) -> bool:
    """Other bytes with the same meaning (a space in `details`, a key named twice) are a change too."""
    try:
        return digest(entry) == entry.hash and _canonical(json.loads(entry.details)) == entry.details
    except (ValueError, TypeError, RecursionError):
        return False


def _canonical(value: Any) -> str:
    return rfc8785.dumps(value).decode()
