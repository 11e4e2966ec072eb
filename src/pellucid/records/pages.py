"""What lists, searches and queues answer: records in pages, each item with why it is there.

The service writes them and `pellucid.client` reads them, so that the two cannot drift apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from pellucid.records.bank import Bank, MatchEntry
from pellucid.records.key import Key
from pellucid.records.label import Appeal, Flag, Ruling
from pellucid.records.report import Report
from pellucid.records.statement import Fields

# The lines of the moderators' queue, in their order.
Why = Literal["appealed", "second", "flagged", "doubtful"]


class ReportPage(BaseModel):
    """Reports newest first."""

    items: list[Report]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


class Highlights(BaseModel):
    """What matched. Texts are in pieces, of which the second, fourth and so on matched; put them together for the whole."""

    caption: list[str] = []
    tags: list[str] = Field([], description="Names of the tags that matched")
    ocr: list[str] = []


class Found(BaseModel):
    report: Report
    score: float = Field(description="The higher the better; comparable within one search only")
    highlights: Highlights


class FoundPage(BaseModel):
    """Best first."""

    items: list[Found]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


class Similar(BaseModel):
    report: Report
    cosine: float = Field(description="Of the two pictures' embeddings, -1 to 1")


class SimilarList(BaseModel):
    """The most similar first."""

    items: list[Similar]


class Duplicate(BaseModel):
    """Another analysis of the same picture, or nearly the same."""

    analysis: str
    created: datetime
    relation: Literal["same_bytes", "near"]
    hash: str | None = Field(description="Its PDQ hash; null where that says too little")
    distance: int = Field(description="In how many of 256 bits the hashes differ")
    cosine: float | None = Field(description="Of the two embeddings; null where one is missing")
    why: str = Field(description="A sentence for moderators")


class Duplicates(BaseModel):
    items: list[Duplicate]


class Flags(BaseModel):
    items: list[Flag]


class Appeals(BaseModel):
    items: list[Appeal]


class Rulings(BaseModel):
    items: list[Ruling]


class QueuedCase(BaseModel):
    """`why` it waits and since when; the appeals and flags that are open; the report with everything that was found."""

    why: Why
    since: datetime
    appeals: list[Appeal]
    flags: list[Flag]
    report: Report


class QueuePage(BaseModel):
    waiting: dict[Why, int] = Field(description="How many wait in each line; a picture stands in one")
    items: list[QueuedCase]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


class StatementPage(BaseModel):
    """`statements` is the body that the transparency database takes."""

    statements: list[Fields]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


class Banks(BaseModel):
    items: list[Bank]


class MatchPage(BaseModel):
    """Oldest first."""

    items: list[MatchEntry]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end")


class MadeKey(Key):
    """A key with its secret, which is shown here and never again."""

    key: str = Field(description="Send it as `Authorization: Bearer KEY`", examples=["pel_01KANJ5V7ZQ4W4X1T0QK8P3M2C_5f3c…"])


class Keys(BaseModel):
    items: list[Key]
