"""A statement of reasons (DSA Art. 17), in the fields that the Commission's transparency database takes (its API, schema 2).

The names and values of `Fields` are the database's own; `redress` is what Art. 17(3)(f) owes to the person and the database does
not ask for. No field holds who uploaded, flagged, appealed or ruled: the database publishes what it is sent.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pellucid.records.recourse import Category, Keyword, Visibility
from pellucid.records.report import Frozen

YesNo = Literal["Yes", "No"]


class Fields(Frozen):
    """In the order of the database's API."""

    puid: str = Field(pattern=r"^[A-Za-z0-9_-]{1,500}$")
    decision_visibility: list[Visibility] = Field(min_length=1)
    decision_ground: Literal["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"]
    decision_ground_reference_url: str | None = None
    incompatible_content_ground: str = Field(max_length=500)
    incompatible_content_explanation: str = Field(max_length=2000)
    incompatible_content_illegal: YesNo = "No"
    content_type: list[Literal["CONTENT_TYPE_IMAGE", "CONTENT_TYPE_SYNTHETIC_MEDIA"]]
    category: Category
    category_specification: list[Keyword] = []
    territorial_scope: list[str]
    content_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    application_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    decision_facts: str = Field(max_length=5000)
    source_type: Literal["SOURCE_VOLUNTARY", "SOURCE_TYPE_OTHER_NOTIFICATION"]
    automated_detection: YesNo
    automated_decision: Literal["AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED"]


class Statement(Frozen):
    """Of the decision that stands. A new decision is a new statement, with a `puid` of its own."""

    analysis: str
    policy: str
    fields: Fields
    redress: list[str]
