"""A fake at the edge that accuses every picture by its pixels, with the real facts and the real words of the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.evidence import declaration
from pellucid.analyse.facts import image_facts
from pellucid.analyse.verdict import decide
from pellucid.base.ids import new_id
from pellucid.base.pixels import decode
from pellucid.records.report import Budget, Inference, Model, Moderation, Report

SCORES = {"nsfw": 0.01, "gore": 0.01, "bare_skin": 0.0, "knife": 0.0, "alcohol": 0.0, "smoking": 0.0}


@dataclass(frozen=True)
class Accusation:
    report: Report
    embedding: NDArray[np.float32] | None = None


@dataclass
class Accuser:
    """`probability` over 0.5 accuses; `scores` are those that the shipped policy compared, `decision` what it said."""

    probability: float = 0.9
    decision: str = "allow"

    def analyse(self, data: bytes, source: str | None = None, declared: str | None = None, decoded: object = None) -> Accusation:
        budget = Budget(accused_per_10000=60, upper=95, measured_on=1000, slice="photo/web")
        judged = Inference(probability=self.probability, slice="photo/web", threshold=0.5, budget=budget)
        evidence = declaration(declared)  # type: ignore[arg-type]
        moderation = Moderation.model_validate(
            {"decision": self.decision, "rule": "default", "reason": "A reason.", "policy": "moderation@1", "scores": SCORES}
        )
        report = Report(
            id=new_id(), created=datetime.now(UTC).isoformat(), source=source, image=image_facts(decode(data)),
            verdict=decide(judged, evidence), inference=judged, evidence=evidence, moderation=moderation,
            model=Model(bundle="fake@0", channel="production", use="any"),
        )  # fmt: skip
        return Accusation(report)
