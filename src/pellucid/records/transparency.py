"""The transparency report: what was decided in a period, what people objected to, who was right, how long they waited."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Result = Literal["open", "upheld", "overturned", "settled"]


class Rate(BaseModel):
    """`share` is null where there are none; then the bounds say nothing either."""

    count: int
    of: int
    share: float | None
    lower: float
    upper: float


class Agreement(BaseModel):
    """Of the first two moderators of every case that two have judged."""

    cases: int
    share: float | None
    kappa: float | None


class Transparency(BaseModel):
    """`appeals` are those made in the period: `settled` were about `unsure`, where nobody was accused."""

    since: str | None
    until: str | None
    verdicts: dict[str, int] = Field(description="Analyses of the period, as their verdicts stand")
    decisions: dict[str, int]
    flags: dict[str, int] = Field(description="By what the user held the picture to be")
    appeals: dict[Result, int]
    rulings: dict[str, int] = Field(description="By verdict; votes that were outvoted or corrected are among them")
    accused: int = Field(description="Analyses of the period that the service itself judged to be AI")
    overturned_of_appeals: Rate = Field(description="Of the appeals that were decided")
    overturned_of_accused: Rate = Field(description="Of the accused, who appealed and won")
    agreement: Agreement
    median_appeal_s: float | None = Field(description="From an appeal to its ruling, in seconds")
    median_flag_s: float | None = Field(description="From a flag to its ruling, in seconds")
