"""The answer: one image → one `Report` (design section 5). Field names are API; they are added to, never renamed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

VerdictLabel = Literal["generated", "edited", "captured", "no_ai_found", "unsure"]
EvidenceKind = Literal["claim", "record", "inference", "ruling"]
Decision = Literal["allow", "limit", "review", "block"]
MILDEST_FIRST: tuple[Decision, ...] = ("allow", "limit", "review", "block")
BankAction = Literal["block", "review", "limit", "note"]
Probability = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFacts(Frozen):
    """What the file is; `notes` say what decoding did ("first frame of 12", "transparency laid on white")."""

    sha256: str
    format: str
    width: int
    height: int
    bytes: int
    pdq: str | None = None
    pdq_quality: int | None = None
    notes: list[str] = []


class Budget(Frozen):
    """How many real pictures per 10,000 would be accused at the threshold; `upper` is the one-sided 95 % bound.

    `slice` names the pictures it was measured on: those of the picture's own slice, or of a parent where those were too few.
    """

    accused_per_10000: float
    upper: float
    measured_on: int
    slice: str | None = None


class Inference(Frozen):
    """The pixels' evidence: calibrated P(AI), its interval over re-encodings (only where it is near the threshold), its slice."""

    probability: Probability
    interval: tuple[Probability, Probability] | None = None
    slice: str
    threshold: Probability | None = None
    prior: Probability | None = Field(None, description="The share of AI among all uploads that `probability` assumes")
    budget: Budget | None = None


class Evidence(Frozen):
    kind: EvidenceKind
    source: str
    says: str
    state: str
    detail: str | None = None


class Verdict(Frozen):
    label: VerdictLabel
    basis: list[EvidenceKind]
    text: str


class Caption(Frozen):
    """`score` is the geometric mean probability of the words (of the tokens, where a describer wrote it)."""

    text: str
    score: float | None = None


class Tag(Frozen):
    """`score` is calibrated by the bundle; of a `describer`, it is the geometric mean probability of the tag's tokens."""

    name: str
    score: Probability
    source: Literal["encoder", "captions", "describer"]


class Moderation(Frozen):
    decision: Decision
    rule: str
    reason: str
    policy: str
    scores: dict[str, float]


class BankMatch(Frozen):
    """The picture is, or is nearly, a known one of a hash bank: its PDQ and the entry's `hash` differ in `distance` of 256 bits.

    `orientation` says how it stands to the known picture: "upright", "mirrored", "turned right" …
    """

    bank: str
    action: BankAction
    hash: str
    distance: int
    orientation: str
    reference: str | None = None


class Model(Frozen):
    """`describer` names model and prompts where another machine described the picture (docs/qwen2vl.md).

    `setup` is a hash of all that decides an answer beside the picture: bundle, policy, settings, trust list.
    """

    bundle: str
    channel: str
    use: str
    describer: str | None = None
    setup: str | None = None


class Missing(Frozen):
    """A part that could not be answered, and why; the rest of the report still stands. `transient`: next time it may be there."""

    part: str
    reason: str
    transient: bool = False


class RulingShown(Frozen):
    """A moderator's ruling as far as this picture is concerned.

    `how` says why it is here: he `ruled` on this picture; it was `inherited`, the picture being one he ruled on, saved again; or
    the picture is only `similar` to that one, and the ruling decides nothing. How near the two are say `distance` (PDQ, of 256
    bits), `structure` and `tone`.
    """

    id: str
    analysis: str
    how: Literal["ruled", "inherited", "similar"]
    verdict: VerdictLabel
    created: str
    reason: str
    reply: str | None = None
    distance: int | None = None
    structure: float | None = None
    tone: float | None = None


class Report(Frozen):
    id: str
    created: str
    source: str | None = None
    image: ImageFacts
    verdict: Verdict
    inference: Inference | None = None
    evidence: list[Evidence] = []
    matches: list[BankMatch] = []
    not_checked: list[str] = []
    caption: Caption | None = None
    tags: list[Tag] = []
    ocr: str | None = None
    moderation: Moderation | None = None
    ruling: RulingShown | None = None
    model: Model
    missing: list[Missing] = []
    timing_ms: dict[str, float] = {}

    @property
    def withheld(self) -> bool:
        """Does a bank block the picture, so that its bytes are shown to nobody?"""
        return any(match.action == "block" for match in self.matches)
