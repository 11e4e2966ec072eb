"""A fake at the edge: decodes the picture as the real analyser does and answers at once, from the picture's own bytes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pellucid.base.ids import new_id
from pellucid.base.pixels import Limits, Picture, decode
from pellucid.records.report import Caption, Evidence, ImageFacts, Inference, Model, Moderation, Report, Tag, Verdict


@dataclass(frozen=True)
class FakeAnalysis:
    report: Report
    embedding: NDArray[np.float32]


@dataclass
class FakeAnalyser:
    """`seconds` is how long an answer takes; answers wait for `gate` while it is closed."""

    seconds: float = 0.0
    limits: Limits = field(default_factory=Limits)
    gate: threading.Event = field(default_factory=threading.Event)
    begun: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def analyse(
        self, data: bytes, source: str | None = None, declared: str | None = None, decoded: Picture | None = None
    ) -> FakeAnalysis:
        picture = decoded or decode(data, self.limits)
        self.begun.append(source)
        self.gate.wait(30)
        time.sleep(self.seconds)
        return FakeAnalysis(report_of(picture, source, declared), np.full(512, 0.25, dtype=np.float32))


def report_of(picture: Picture, source: str | None = None, declared: str | None = None) -> Report:
    """The verdict follows the declaration, else the picture's hash: the same bytes give the same answer."""
    probability = int(picture.sha256[:4], 16) / 0xFFFF
    label = {"generated": "generated", "edited": "edited"}.get(
        declared or "", "no_ai_found" if probability < 0.5 else "generated"
    )
    claims = [Evidence(kind="claim", source="uploader", says=declared, state="declared")] if declared else []
    return Report(
        id=new_id(),
        created=datetime.now(UTC).isoformat(),
        source=source,
        image=ImageFacts(
            sha256=picture.sha256,
            format=picture.format,
            width=picture.width,
            height=picture.height,
            bytes=picture.bytes,
            pdq="0f" * 32,
            notes=list(picture.notes),
        ),
        verdict=Verdict.model_validate(
            {"label": label, "basis": ["claim"] if declared else ["inference"], "text": "A fake answer."}
        ),
        inference=Inference(probability=probability, slice="photo/web"),
        evidence=claims,
        caption=Caption(text="A fake picture."),
        tags=[Tag(name="fake", score=1.0, source="encoder")],
        moderation=Moderation(decision="allow", rule="default", reason="no rule fired", policy="fake@1", scores={}),
        model=Model(bundle="fake@0", channel="production", use="any"),
        timing_ms={"decode": 1.0, "total": 2.0},
    )
