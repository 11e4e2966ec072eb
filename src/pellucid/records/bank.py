"""Hash banks: lists of known pictures by PDQ, each with what to do about them. A bank holds no pictures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated

from pydantic import Field

from pellucid.base.cells import harmless
from pellucid.records.report import BankAction, BankMatch, Frozen

NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
HASH = re.compile(r"[0-9a-f]{64}")
# The rule of PDQ's authors: 31 of 256 bits or fewer, where the hash is of quality 50 or more.
USUAL_BOUND = 31
LEAST_QUALITY = 50
# Beyond this, pictures that have nothing in common begin to match.
LARGEST_BOUND = 47

BankName = Annotated[str, Field(pattern=NAME)]
Bound = Annotated[int, Field(ge=0, le=LARGEST_BOUND)]


class BankRule(Frozen):
    """What a match on the bank means; `reason` is a sentence a moderator can quote."""

    name: BankName
    action: BankAction
    bound: Bound = USUAL_BOUND
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Bank(BankRule):
    """A rule with its list; `version` counts up at every change of either."""

    version: int
    entries: int
    changed: datetime

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


class Entry(Frozen):
    """One known picture: its hash in 64 hex digits, by what name its source knows it, and the source's tags."""

    pdq: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reference: str | None = None
    tags: str | None = None


class MatchEntry(Frozen):
    """A match as it is kept for the site's legal reporting: it stays when the analysis is deleted.

    `sha256` and `pdq` are the upload's; `match.hash` is the bank's.
    """

    id: str
    analysis: str
    at: datetime
    sha256: str
    pdq: str
    source: str | None
    match: BankMatch


MATCH_COLUMNS = (
    "id", "at", "analysis", "sha256", "pdq", "source", "bank", "action", "hash", "distance", "orientation", "reference",
)  # fmt: skip


def match_lines(entries: Iterable[MatchEntry]) -> Iterator[str]:
    """As CSV (RFC 4180), the header first. What a spreadsheet would take for a formula gets an apostrophe before it."""
    yield _line(MATCH_COLUMNS)
    for entry in entries:
        values = {**entry.model_dump(exclude={"match"}), **entry.match.model_dump(), "at": entry.at.isoformat()}
        yield _line([harmless(values[name]) for name in MATCH_COLUMNS])


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
