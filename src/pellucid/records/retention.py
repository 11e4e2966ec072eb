"""How long pictures and reports are kept: a versioned TOML of ordered rules, of which the first that fits an analysis counts.

    name = "retention"
    version = 1

    [[rules]]
    name = "under review"
    decision = ["review", "block"]    # any of these; left out: whatever it is. Likewise `verdict` and `state`
    days = 365

    [[rules]]
    name = "the rest"
    days = 30

What no rule fits is kept until someone deletes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pellucid.records.recipe import Recipe, load_recipe
from pellucid.records.report import Decision, VerdictLabel


class RetentionRule(Recipe):
    """Fits where each of `verdict`, `decision` and `state` that is given holds; `days` are counted from the acceptance."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    days: Annotated[float, Field(ge=0)]
    verdict: tuple[VerdictLabel, ...] | None = None
    decision: tuple[Decision, ...] | None = None
    state: tuple[Literal["answered", "failed"], ...] | None = None


class Retention(Recipe):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)]
    rules: Annotated[tuple[RetentionRule, ...], Field(min_length=1)]

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


def load_retention(path: Path) -> Retention:
    """Raises `ConfigError`, one line a mistake, with file and line."""
    return load_recipe(path, Retention)
