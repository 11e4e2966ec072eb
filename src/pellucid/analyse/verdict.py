"""From evidence to verdict: the one place where a label is given and where it is put into words.

| first that holds                                        | verdict       | basis     |
|---------------------------------------------------------|---------------|-----------|
| a claim says "generated"                                | generated     | claim     |
| a claim says "edited"                                   | edited        | claim     |
| every re-encoding of the pixels is over the threshold   | generated     | inference |
| some are and some are not, or the slice has no threshold| unsure        | inference |
| none is                                                 | no_ai_found   | inference |
| the pixels could not be judged                          | unsure        | -         |

A claim of AI is enough to label, with its source named. A claim of a camera or of "no AI" proves nothing and moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pellucid.records.heads import ALL, Calibration, Thresholds
from pellucid.records.report import Evidence, Inference, Verdict

PLACES = 4
# State of a claim that the uploader made, not the file.
DECLARED = "declared"


def near(logit: float, slice_name: str, calibration: Calibration, thresholds: Thresholds) -> bool:
    """Is the first answer so near the slice's threshold that re-encodings should be asked?"""
    threshold = thresholds.of(slice_name).threshold
    if threshold is None:
        return False
    distance = calibration.a * logit + calibration.b - math.log(threshold / (1 - threshold))
    return -thresholds.near_below < distance < thresholds.near_above


def probability_of(logit: float, calibration: Calibration) -> float:
    """Calibrated P(AI) of a detector's logit."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, calibration.a * logit + calibration.b))))


def judge(logit: float, others: Sequence[float], slice_name: str, calibration: Calibration, thresholds: Thresholds) -> Inference:
    """The pixels' evidence from the picture's own logit and those of its re-encodings, if any were asked."""
    found = thresholds.of(slice_name)
    budget = None if found.threshold is None else found.budget
    probability = round(probability_of(logit, calibration), PLACES)
    all_of_them = [probability, *(round(probability_of(other, calibration), PLACES) for other in others)]
    return Inference(
        probability=probability,
        interval=(min(all_of_them), max(all_of_them)) if others else None,
        slice=slice_name,
        threshold=found.threshold,
        budget=budget.model_copy(update={"slice": found.parent or slice_name}) if budget else None,
    )


def decide(inference: Inference | None, evidence: Sequence[Evidence]) -> Verdict:
    """Total: every combination of evidence has a verdict."""
    for says in ("generated", "edited"):
        claims = [piece for piece in evidence if piece.kind == "claim" and piece.says == says]
        if claims:
            return _from_claim(says, claims)
    if inference is None:
        return Verdict(label="unsure", basis=[], text="The picture itself could not be judged.")
    return _from_pixels(inference)


def _from_claim(says: str, claims: Sequence[Evidence]) -> Verdict:
    what = "AI-generated" if says == "generated" else "edited with AI"
    marks = ", ".join(dict.fromkeys(claim.source for claim in claims if claim.state != DECLARED))
    text = f"Marked as {what} by the file itself ({marks}; not signed)." if marks else f"Declared as {what} by its uploader."
    return Verdict(label="generated" if says == "generated" else "edited", basis=["claim"], text=text)


def _from_pixels(inference: Inference) -> Verdict:
    if inference.threshold is None or inference.budget is None:
        text = f"We cannot tell: for pictures of this kind ({inference.slice}) no answer keeps wrong accusations rare enough."
        return Verdict(label="unsure", basis=["inference"], text=text)
    low, high = inference.interval or (inference.probability, inference.probability)
    if low >= inference.threshold:
        accused = max(1, round(inference.budget.accused_per_10000 / 10))
        kind = "of all kinds together" if inference.budget.slice == ALL else "of this kind"
        text = f"Likely AI-generated. Of 1,000 real pictures {kind}, about {accused} would be labelled so."
        return Verdict(label="generated", basis=["inference"], text=text)
    if high >= inference.threshold:
        return Verdict(
            label="unsure", basis=["inference"], text="We cannot tell: saved again, the same picture would be judged differently."
        )
    return Verdict(
        label="no_ai_found",
        basis=["inference"],
        text="No sign of AI was found in the picture. This does not prove that there is none.",
    )
