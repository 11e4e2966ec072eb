"""From evidence to verdict: the one place where a label is given and where it is put into words.

| first that holds                                                  | verdict            | basis     |
|-------------------------------------------------------------------|--------------------|-----------|
| a moderator ruled on it, or on the same picture saved otherwise   | as he ruled        | ruling    |
| a trusted record says "generated" or "edited"                     | that               | record    |
| the uploader declared "generated" or "edited"                     | that               | claim     |
| a trusted record says "captured"                                  | captured           | record    |
| a mark in the file says "generated", another "edited"             | generated, edited  | claim     |
| the whole interval over re-encodings is over the threshold        | generated          | inference |
| a part of it is, or the slice has no threshold                    | unsure             | inference |
| none of it is                                                     | no_ai_found        | inference |
| the pixels could not be judged                                    | unsure             | -         |

A moderator saw everything that stands below his line. A claim of AI is enough to label, with its source named; one against the
uploader's interest is worth more than a signature on
what a camera saw. A claim of a camera or of "no AI" proves nothing, and an invalid record is shown and moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from pellucid.records.heads import ALL, Calibration, Thresholds
from pellucid.records.report import Evidence, Inference, Verdict, VerdictLabel

PLACES = 4
# States of evidence: what the uploader said, and what someone on the trust list signed.
DECLARED, TRUSTED = "declared", "trusted"
# States of a ruling: on this picture, or on one that this is, saved again.
RULED, INHERITED = "in force", "inherited"
EVEN = 0.5
# Kass and Raftery, Bayes factors (1995): evidence under this factor of the odds is "not worth more than a bare mention".
WORTH_A_WORD = 3.2
_AI = ("generated", "edited")
_WORDS: Mapping[VerdictLabel, str] = {"generated": "AI-generated", "edited": "Edited with AI", "captured": "Taken with a camera"}


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
    interval = _interval([probability, *(round(probability_of(other, calibration), PLACES) for other in others)], thresholds)
    return Inference(
        probability=min(max(probability, interval[0]), interval[1]) if interval else probability,
        interval=interval,
        slice=slice_name,
        threshold=found.threshold,
        prior=calibration.prior,
        budget=budget.model_copy(update={"slice": found.parent or slice_name}) if budget else None,
    )


def _interval(answers: Sequence[float], thresholds: Thresholds) -> tuple[float, float] | None:
    """Of the picture's own answer and those of its re-encodings; none where these were not asked."""
    if len(answers) == 1:
        return None
    kept = sorted(answers)[thresholds.outliers : len(answers) - thresholds.outliers]
    return kept[0], kept[-1]


def decide(inference: Inference | None, evidence: Sequence[Evidence]) -> Verdict:
    """Total: every combination of evidence has a verdict."""
    for state in (RULED, INHERITED):
        if ruling := next((piece for piece in evidence if piece.kind == "ruling" and piece.state == state), None):
            return _from_ruling(ruling)
    records = [piece for piece in evidence if piece.kind == "record" and piece.state == TRUSTED]
    declared = [piece for piece in evidence if piece.kind == "claim" and piece.state == DECLARED]
    marks = [piece for piece in evidence if piece.kind == "claim" and piece.state != DECLARED]
    for pieces, words in ((records, _AI), (declared, _AI), (records, ("captured",)), (marks, _AI)):
        for says in words:
            if found := [piece for piece in pieces if piece.says == says]:
                return _from_words(says, found)
    if inference is None:
        return Verdict(label="unsure", basis=[], text="The picture itself could not be judged.")
    return _from_pixels(inference)


def _from_ruling(ruling: Evidence) -> Verdict:
    label = _label(ruling.says)
    what = _WORDS.get(label, "No AI was found")
    which = "this picture" if ruling.state == RULED else "the same picture, uploaded before"
    return Verdict(label=label, basis=["ruling"], text=f"{what}: a moderator has decided so on {which}.")


def _label(says: str) -> VerdictLabel:
    return next((label for label in get_args(VerdictLabel) if label == says), "unsure")


def _from_words(says: str, found: Sequence[Evidence]) -> Verdict:
    first = found[0]
    label: VerdictLabel = "generated" if says == "generated" else "edited" if says == "edited" else "captured"
    what = _WORDS[label]
    if first.kind == "record":
        return Verdict(label=label, basis=["record"], text=f"{what}: a record in the file says so, {first.detail}.")
    if first.state == DECLARED:
        return Verdict(label=label, basis=["claim"], text=f"{what}: declared so by its uploader.")
    marks = ", ".join(dict.fromkeys(piece.source for piece in found))
    return Verdict(
        label=label, basis=["claim"], text=f"{what}: marked so by the file itself ({marks}; not signed by anyone trusted)."
    )


def _from_pixels(inference: Inference) -> Verdict:
    if inference.threshold is None or inference.budget is None:
        text = f"We cannot tell: for pictures of this kind ({inference.slice}) no answer keeps wrong accusations rare enough."
        return Verdict(label="unsure", basis=["inference"], text=text)
    low, high = inference.interval or (inference.probability, inference.probability)
    kind = "of all kinds together" if inference.budget.slice == ALL else "of this kind"
    if low >= inference.threshold:
        accused = max(1, round(inference.budget.accused_per_10000 / 10))
        text = f"{_accusation(inference)} Of 1,000 real pictures {kind}, about {accused} would be labelled so."
        return Verdict(label="generated", basis=["inference"], text=text)
    if high >= inference.threshold:
        return Verdict(
            label="unsure", basis=["inference"], text="We cannot tell: saved again, the same picture would be judged differently."
        )
    return Verdict(label="no_ai_found", basis=["inference"], text=_acquittal(inference, kind))


def _accusation(inference: Inference) -> str:
    """Where real pictures of the slice seldom score so high, the threshold lies far under one half: no word of "likely" then."""
    if inference.probability >= EVEN:
        return "Likely AI-generated."
    often = _times(inference)
    return f"Looks AI-generated: {often}." if often else "Looks AI-generated."


def _acquittal(inference: Inference, kind: str) -> str:
    """Where real pictures of the slice often score high, so does the threshold: under it may stand more than no sign."""
    found = "it is more likely so than not" if inference.probability >= EVEN else _times(inference)
    if found:
        return f"Not enough to call it AI-generated: {found}, but too many real pictures {kind} look as much like it."
    return "No sign of AI was found in the picture. This does not prove that there is none."


def _times(inference: Inference) -> str | None:
    """How much likelier than the average upload; None where the evidence is too weak to be worth a word, or its prior unknown."""
    if inference.prior is None or _odds(inference.probability) < WORTH_A_WORD * _odds(inference.prior):
        return None
    return f"it is {inference.probability / inference.prior:.1f} times as likely as the average upload"


def _odds(probability: float) -> float:
    return probability / (1 - probability) if probability < 1 else math.inf
