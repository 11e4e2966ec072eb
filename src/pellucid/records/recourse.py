"""The policy of recourse: what a site may change of rulings and statements of reasons, as a versioned TOML (docs/recourse.md).

The shipped one is `defaults/policies/recourse.toml`; the bounds of inheritance in it were measured by benchmarks/inheritance.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pellucid.base.settings import shipped
from pellucid.records.recipe import Recipe, load_recipe
from pellucid.records.report import Decision, Probability

Distance = Annotated[int, Field(ge=0, le=256)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Visibility = Literal[
    "DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_CONTENT_DISABLED", "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED", "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED",
    "DECISION_VISIBILITY_CONTENT_LABELLED", "DECISION_VISIBILITY_OTHER",
]  # fmt: skip
# Those of the transparency database since 1 July 2025.
Category = Literal[
    "STATEMENT_CATEGORY_ANIMAL_WELFARE", "STATEMENT_CATEGORY_CONSUMER_INFORMATION", "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN", "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH", "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS", "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE",
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY", "STATEMENT_CATEGORY_SCAMS_AND_FRAUD", "STATEMENT_CATEGORY_SELF_HARM",
    "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS", "STATEMENT_CATEGORY_VIOLENCE",
]  # fmt: skip
Keyword = Annotated[str, Field(pattern=r"^KEYWORD_[A-Z_]+$")]


class Rulings(Recipe):
    """Whose agreement a ruling needs: one moderator's, or two for every ruling or for those that overturn."""

    two_moderators: Literal["never", "overturning", "always"]


class Inheritance(Recipe):
    """When a picture is the one that was ruled on, saved again: every bound must be met (analyse/inheritance.py)."""

    pdq_quality: Annotated[int, Field(ge=0, le=100)]
    candidate_distance: Distance
    similar_distance: Distance
    structure: Probability
    tone: Annotated[float, Field(ge=0, le=255)]
    share: Probability


class Ground(Recipe):
    """Under which of the site's terms a moderation rule falls, and how the transparency database calls it."""

    rule: str
    category: Category
    keywords: tuple[Keyword, ...] = ()
    ground: Annotated[str, Field(min_length=1, max_length=500)]


class Statements(Recipe):
    """`visibility` says which restriction a decision is; `labelled` is that of a verdict of AI; `grounds` are by rule."""

    visibility: dict[Decision, Visibility]
    labelled: Visibility
    territorial_scope: Annotated[tuple[Country, ...], Field(min_length=1)]
    terms_url: str | None = None
    label_ground: Annotated[str, Field(min_length=1, max_length=500)]
    other_ground: Annotated[str, Field(min_length=1, max_length=500)]
    redress: Annotated[tuple[str, ...], Field(min_length=1)]
    grounds: tuple[Ground, ...] = ()


class RecoursePolicy(Recipe):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)]
    rulings: Rulings
    inheritance: Inheritance
    statements: Statements

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


def load_recourse(path: Path | None = None) -> RecoursePolicy:
    """The policy in `path`, or the shipped one. Raises `ConfigError` with `FILE:LINE` for each mistake."""
    return load_recipe(path or shipped("policies") / "recourse.toml", RecoursePolicy)
