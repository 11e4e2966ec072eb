"""Whether a caption is shown: outside the domains the captioner knows, or unsure of itself, it is left out with the reason.

A wrong sentence is worse than none: it would be read aloud as the picture's alt text.
"""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.records.bundle import Domains
from pellucid.records.report import Caption, Missing
from pellucid.runtime.caption import CaptionResult

PART = "caption"


def left_out(probabilities: Mapping[str, float], domains: Domains) -> Missing | None:
    """Why no caption should be tried for a picture of these domain probabilities, if so."""
    excluded = {name: probabilities[name] for name in domains.caption_excluded}
    if not excluded or sum(excluded.values()) < domains.caption_excluded_above:
        return None
    likeliest = max(excluded, key=excluded.__getitem__)
    return Missing(part=PART, reason=f"looks like {likeliest}, which the captioner was not trained for")


def shown(result: CaptionResult, floor: float) -> Caption | Missing:
    """The caption, or that it is under the bundle's `floor`."""
    if not result.text:
        return Missing(part=PART, reason="the captioner found no words")
    if result.score < floor:
        return Missing(part=PART, reason=f"the captioner is not sure enough ({result.score:.2f}; needed is {floor:.2f})")
    return Caption(text=result.text, score=round(result.score, 4))
