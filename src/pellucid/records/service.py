"""What the service says of itself and of a request: health, a problem, an answer to come, the models that are loaded."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Health(BaseModel):
    status: Literal["ok", "ready"]


class Pending(BaseModel):
    """Accepted, and not answered yet. Ask at `location`: 202 until it is answered, 200 and the report then."""

    id: str
    state: Literal["accepted"] = "accepted"
    created: str
    location: str = Field(description="Where the report will be, as the header `Location` says")


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is stable; `detail` is for people and may change."""

    type: str = Field(description="A URN made of the code")
    title: str = Field(description="The kind of problem in a sentence, the same for every occurrence")
    status: int = Field(description="The HTTP status", ge=400, le=599)
    detail: str = Field(description="What was, what is allowed, what to do")
    code: str = Field(description="Stable name of the kind of problem")
    instance: str = Field(description="The address that was asked for")


class SliceBudget(BaseModel):
    """How many real pictures of a slice would be wrongly accused at its threshold; no threshold: the slice abstains."""

    slice: str = Field(description="Domain and quality of the pictures that the figures hold for")
    threshold: float | None
    inherited: bool = Field(description="Whether the threshold is the parent's, for want of real pictures of this slice")
    accused_per_10000: float | None = None
    upper: float | None = Field(None, description="One-sided 95 % bound of `accused_per_10000`")
    measured_on: int | None = Field(None, description="Real pictures the figures were measured on")


class ModelInfo(BaseModel):
    """A bundle that is loaded."""

    model_config = ConfigDict(frozen=True)

    bundle: str = Field(description="Name and id of the bundle, as in a report's `model`")
    channel: str
    use: str = Field(description="`any`, or `research` where training data forbid other use")
    parts: dict[str, str] = Field(default={}, description="Use allowed by part, as `use`")
    created: str | None = None
    budgets: list[SliceBudget] = []


class Models(BaseModel):
    models: list[ModelInfo]
