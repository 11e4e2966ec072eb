"""What a recipe expects of the measures, held against them: passed, failed, or not measured, which is no pass either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.evaluate.recipe import Bound, CaptionPart, DetectionPart, Expect, FailureModesPart, Part

Found = Mapping[str, Any]


def held(parts: Mapping[str, Part], sections: Found) -> dict[str, Any]:
    """How many expectations passed, failed and were not measured, and each with what was wanted and found."""
    each = [
        _judged(name, where, measure, bound, found.get(measure))
        for name, part in parts.items()
        for where, expect, found in _places(part, sections[name])
        for measure, bound in expect.items()
    ]
    counts = {result: sum(one["result"] == result for one in each) for result in ("passed", "failed", "not measured")}
    return counts | {"each": each}


def _places(part: Part, section: Found) -> Iterator[tuple[str, Expect, Found]]:
    """(place in the section, what is expected there, what was found there)."""
    if isinstance(part, DetectionPart | CaptionPart):
        yield from ((place, expect, section.get(place, {})) for place, expect in part.expect.items())
    elif isinstance(part, FailureModesPart):
        yield from ((name, mode.expect, section.get(name, {})) for name, mode in part.modes.items())
    else:
        yield "", getattr(part, "expect", {}), section


def _judged(section: str, where: str, measure: str, bound: Bound, found: Any) -> dict[str, Any]:
    """`sure`: the 95 % bound of a rate keeps to it too; a plain figure has none."""
    rate = found if isinstance(found, Mapping) else {"rate": found}
    value = rate.get("rate")
    out = {"section": section, "where": where, "measure": measure, "wanted": bound.model_dump(exclude_none=True), "found": found}
    if value is None:
        return out | {"result": "not measured", "sure": None}
    worst = rate.get("upper" if bound.at_most is not None else "lower")
    sure = None if worst is None else keeps(worst, bound)
    return out | {"result": "passed" if keeps(value, bound) else "failed", "sure": sure}


def keeps(value: float, bound: Bound) -> bool:
    if bound.at_most is not None:
        return value <= bound.at_most
    assert bound.at_least is not None
    return value >= bound.at_least
