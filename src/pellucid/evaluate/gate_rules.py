"""The rules that read evaluation records alone: floors, controls, calibration, formats, parity, expectations.

Each takes the policy and the candidate's sections and yields one finding a limit. A part that the record lacks is a finding
too: "not measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.evaluate.gate_policy import Floor, Limit, PolicyFile
from pellucid.records.gate import Finding

Sections = Mapping[str, Any]
AT_LEAST = ("auc", "recall", "balanced_accuracy")
CHANCE = 0.5


def floors(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    for row, floor in enumerate(file.policy.floors):
        found = sections.get("detection", {}).get(floor.part, {})
        for name in (*AT_LEAST, "accused", "accused_upper"):
            value = getattr(floor, name)
            if value is not None:
                yield _floor(
                    Limit(f"floor of {name}", value, file.place("floors", row, name), floor.required), floor, name, found
                )


def texts(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    """Floors of captions and tags."""
    for section in ("captions", "tags"):
        for row, floor in enumerate(getattr(file.policy, section)):
            found = sections.get(section, {}).get(floor.part, {})
            for name, value in floor.at_least.items():
                limit = Limit(section, value, file.place(section, row, "at_least"), floor.required)
                yield limit.at_least(floor.part, found.get(name), f"{name} of {floor.part}")


def domains(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    """The worst domain of each part. How many abstain is read from the bundle (`gate_bundle`)."""
    rule = file.policy.domains
    for part in rule.parts if rule else ():
        assert rule
        limit = Limit("accused by domain", rule.accused, file.place("domains", "accused"), rule.required)
        counted = enough(sections.get("detection", {}).get(part, {}).get("accused_by_domain", {}), rule.fewest)
        if not counted:
            yield limit.not_measured(part, f"no domain of {part} has {rule.fewest} real pictures")
            continue
        name, worst = max(counted.items(), key=lambda item: item[1]["rate"])
        yield limit.at_most(part, worst["rate"], f"{name}: {worst['count']} of {worst['of']} real pictures called generated")


def calibration(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    rule = file.policy.calibration
    for part in rule.parts if rule else ():
        assert rule
        limit = Limit("calibration", rule.ece, file.place("calibration", "ece"), rule.required)
        found = sections.get("detection", {}).get(part, {}).get("calibration", {}).get(str(rule.prevalence), {})
        words = f"expected calibration error as if {rule.prevalence:.0%} of the pictures were AI"
        yield limit.at_most(part, found.get("ece"), words)


def formats(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    """One file format against all others: a detector that learned the file accuses the real pictures of one format."""
    rule = file.policy.formats
    for part in rule.parts if rule else ():
        assert rule
        found = sections.get("detection", {}).get(part, {})
        for key, name, what in (
            ("accused_gap", "accused_by_format", "real pictures accused"),
            ("recall_gap", "recall_by_format", "AI pictures found"),
        ):
            limit = Limit("file format", getattr(rule, key), file.place("formats", key), rule.required)
            gaps = dict(_gaps(found.get(name, {}), rule.fewest))
            if gaps:
                one = max(gaps, key=lambda one: gaps[one])
                yield limit.at_most(part, gaps[one], f"{what}: {one} files against all others")
            else:
                yield limit.not_measured(part, f"{what}: there are not two formats with {rule.fewest} pictures")


def controls(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    rule = file.policy.controls
    for part in rule.parts if rule else ():
        assert rule
        found = sections.get("controls", {}).get(part, {})
        for name, distance in rule.near_chance.items():
            limit = Limit("control near chance", distance, file.place("controls", "near_chance", name), rule.required)
            value = found.get(name)
            away = None if value is None else abs(value - CHANCE)
            yield limit.at_most(part, away, f"{name}: how far its AUC of {value} is from chance")
        for name, margin in rule.beaten_by.items():
            limit = Limit("control beaten", margin, file.place("controls", "beaten_by", name), rule.required)
            own, value = sections.get("detection", {}).get(part, {}).get("auc"), found.get(name)
            better = None if own is None or value is None else own - value
            yield limit.at_least(part, better, f"AUC {own} against {value} of `{name}`, which sees no pixels as such")


def parity(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    rule = file.policy.parity
    if rule is None:
        return
    lost = Limit("parity", rule.auc_lost, file.place("parity", "auc_lost"), rule.required)
    changed = Limit("parity", rule.calls_changed, file.place("parity", "calls_changed"), rule.required)
    if not sections.get("parity"):
        yield lost.not_measured("", "no part [parity] was evaluated: served build against float32")
    for part, found in sections.get("parity", {}).items():
        yield lost.at_most(part, found["auc_lost"], f"AUC {found['auc']} as served, {found['auc_float']} in float32")
        share = found["calls_changed"]
        words = f"{share['count']} of {share['of']} pictures on the other side of the threshold"
        yield changed.at_most(part, share["rate"], words)
    if rule.cider_lost is not None:
        limit = Limit("parity", rule.cider_lost, file.place("parity", "cider_lost"), rule.required)
        if not sections.get("caption_parity"):
            yield limit.not_measured("", "no part [caption_parity] was evaluated: captions as served against float32")
        for part, found in sections.get("caption_parity", {}).items():
            exact = " and ".join(name for name in ("encoder", "captioner") if found[name] == "float32")
            words = f"CIDEr {found['cider']} as served, {found['cider_float']} with {exact} in float32"
            yield limit.at_most(part, found["cider_lost"], words)


def expectations(file: PolicyFile, sections: Sections) -> Iterator[Finding]:
    """What the evaluation's own recipe expected of its measures; what it could not measure is not met either."""
    rule = file.policy.expectations
    if rule is None:
        return
    limit = Limit("expectations", rule.failing, file.place("expectations", "failing"), rule.required)
    each = sections.get("expectations", {}).get("each", [])
    if not each:
        yield limit.not_measured("", "the evaluation's recipe expected nothing")
        return
    failing = [" ".join((one["section"], one["where"], one["measure"])) for one in each if one["result"] != "passed"]
    words = f"{len(failing)} of {len(each)} expectations not met"
    yield limit.at_most("", len(failing), ": ".join((words, "; ".join(failing))) if failing else words)


def enough(rates: Mapping[str, Any], fewest: int) -> dict[str, Any]:
    """The slices with at least `fewest` pictures."""
    return {name: rate for name, rate in rates.items() if rate["of"] >= max(1, fewest)}


def _floor(limit: Limit, floor: Floor, name: str, found: Mapping[str, Any]) -> Finding:
    """A rate is held by its share, `accused_upper` by its one-sided 95 % bound."""
    value = found.get(name.removesuffix("_upper"))
    if not isinstance(value, Mapping):
        return limit.at_least(floor.part, value, name.replace("_", " "))
    counts = f"{value['count']} of {value['of']}"
    if name == "recall":
        return limit.at_least(floor.part, value["rate"], f"AI pictures found: {counts}")
    bound = "upper" if name == "accused_upper" else "rate"
    words = "real pictures called generated: " + counts + (", 95 % bound" if bound == "upper" else "")
    return limit.at_most(floor.part, value[bound] if value["of"] else None, words)


def _gaps(rates: Mapping[str, Any], fewest: int) -> Iterator[tuple[str, float]]:
    counted = enough(rates, fewest)
    for name, rate in counted.items():
        others = [other for key, other in counted.items() if key != name]
        if others:
            rest = sum(other["count"] for other in others) / sum(other["of"] for other in others)
            yield name, abs(rate["rate"] - rest)
