"""What the gate may be told; the shipped policy is `defaults/policies/gate.toml`, whose comments say why each limit is as it is.

Every table may say `required = false`: what could not be measured is then said and does not refuse. A table or key that is
left out asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pellucid.base.files import sha256_of
from pellucid.records.gate import Finding, State
from pellucid.records.recipe import Place, Recipe, key_lines, load_recipe

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Asks(Recipe):
    required: bool = True


class Floor(Asks):
    """Limits of one split in one tier, or of one source of captions or tags: at least, but `accused…` at most."""

    part: str
    auc: Share | None = None
    recall: Share | None = None
    balanced_accuracy: Share | None = None
    accused: Share | None = None
    accused_upper: Share | None = None


class TextFloor(Asks):
    """At least so much of each named measure, as the section of captions or tags calls it."""

    part: str
    at_least: dict[str, float]


class Losses(Asks):
    """How much worse than the champion a candidate may be, in shares; slices with under `fewest` pictures are not compared."""

    parts: tuple[str, ...]
    fewest: Count
    auc: Share
    recall: Share
    accused: Share
    domain_accused: Share
    source_accused: Share
    generator_recall: Share
    cider: Annotated[float, Field(ge=0)]


class Domains(Asks):
    """Real pictures called generated in any domain with `fewest` pictures; at most `abstaining` domains without a threshold."""

    parts: tuple[str, ...]
    fewest: Count
    accused: Share
    abstaining: Count


class Calibration(Asks):
    parts: tuple[str, ...]
    prevalence: Share
    ece: Share


class Formats(Asks):
    """How far the real pictures accused, and the AI pictures found, may differ between one file format and all others."""

    parts: tuple[str, ...]
    fewest: Count
    accused_gap: Share
    recall_gap: Share


class Controls(Asks):
    """`near_chance`: control → how far its AUC may be from .5. `beaten_by`: control → by how much AUC the candidate is better."""

    parts: tuple[str, ...]
    near_chance: dict[str, Share] = {}
    beaten_by: dict[str, Share] = {}


class Parity(Asks):
    """The served build against the same weights in float32: AUC lost, and pictures on the other side of the threshold.

    `cider_lost` by captions, where the policy asks for it.
    """

    auc_lost: Share
    calls_changed: Share
    cider_lost: Annotated[float, Field(ge=0)] | None = None


class BundleLimits(Asks):
    """Bytes of all files; processor milliseconds of one answer (all cores together), the median of `rounds`."""

    bytes: Count
    cpu_ms: Annotated[float, Field(gt=0)]
    rounds: Annotated[int, Field(gt=0)]


class Leak(Asks):
    samples: Count


class Regression(Asks):
    """Pictures of the bank ruled real that the candidate calls generated again."""

    accused_again: Count


class Expectations(Asks):
    failing: Count


class GatePolicy(Recipe):
    name: str
    version: Annotated[int, Field(gt=0)]
    final: bool
    floors: tuple[Floor, ...] = ()
    captions: tuple[TextFloor, ...] = ()
    tags: tuple[TextFloor, ...] = ()
    losses: Losses | None = None
    domains: Domains | None = None
    calibration: Calibration | None = None
    formats: Formats | None = None
    controls: Controls | None = None
    parity: Parity | None = None
    bundle: BundleLimits | None = None
    leak: Leak | None = None
    regression: Regression | None = None
    expectations: Expectations | None = None


@dataclass(frozen=True)
class PolicyFile:
    """A policy with the lines of its file, so that every finding can name the line of its limit."""

    policy: GatePolicy
    name: str
    sha256: str
    lines: Mapping[Place, int]

    @property
    def label(self) -> str:
        return f"{self.policy.name}@{self.policy.version}"

    def place(self, *keys: str | int) -> str:
        """FILE:LINE of the key, or of the nearest table around it."""
        found = (self.lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self.lines)
        return f"{self.name}:{next(found, 1)}"


def read_policy(path: Path) -> PolicyFile:
    """Raises `ConfigError` naming file and line of every mistake."""
    policy = load_recipe(path, GatePolicy)
    return PolicyFile(policy, path.name, sha256_of(path), dict(key_lines(path.read_text(encoding="utf-8"))))


@dataclass(frozen=True)
class Limit:
    """One limit of the policy, ready to be held against a figure."""

    rule: str
    value: float
    place: str
    required: bool = True

    def at_least(self, part: str, figure: float | None, words: str) -> Finding:
        return self._held(part, figure, words, figure is not None and figure >= self.value)

    def at_most(self, part: str, figure: float | None, words: str) -> Finding:
        return self._held(part, figure, words, figure is not None and figure <= self.value)

    def not_measured(self, part: str, words: str) -> Finding:
        return self._finding(part, "not measured", None, words)

    def _held(self, part: str, figure: float | None, words: str, kept: bool) -> Finding:
        if figure is None:
            return self.not_measured(part, f"{words}: the evaluation does not say")
        return self._finding(part, "passed" if kept else "failed", round(figure, 5), words)

    def _finding(self, part: str, state: State, figure: float | None, words: str) -> Finding:
        return Finding(
            rule=self.rule, part=part, state=state, figure=figure, limit=self.value, words=words, place=self.place,
            required=self.required,
        )  # fmt: skip
