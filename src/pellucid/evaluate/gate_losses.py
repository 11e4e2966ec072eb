"""The rules that hold a candidate against the champion: slice by slice, no one may lose more than its tolerance.

Only what was measured on the same data is compared. Without a champion nothing is, and the gate says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pellucid.evaluate.gate_policy import Limit, Losses, PolicyFile
from pellucid.evaluate.gate_rules import enough
from pellucid.records.evaluation import Evaluation
from pellucid.records.gate import Finding

Found = Mapping[str, Any]
# Key of the policy, what the record calls it, and whether more is worse.
SLICES: tuple[tuple[str, Callable[[Found], Found], bool], ...] = (
    ("domain_accused", lambda found: found.get("accused_by_domain", {}), True),
    ("source_accused", lambda found: found.get("accused", {}).get("by_source", {}), True),
    ("generator_recall", lambda found: found.get("recall_by_generator", {}), False),
)


def losses(file: PolicyFile, candidate: Evaluation, champion: Evaluation | None) -> Iterator[Finding]:
    rule = file.policy.losses
    if rule is None:
        return
    limit = Limit("champion", 0, file.place("losses"), rule.required)
    if champion is None:
        words = "there is no champion: nothing is compared, only the absolute rules hold"
        yield limit.not_measured("", words).model_copy(update={"required": False})
        return
    if other := _on_other_data(candidate, champion):
        yield limit.not_measured("", f"cannot be compared: {other}")
        return
    for part in rule.parts:
        yield from _part(file, rule, part, *(one.sections.get("detection", {}).get(part, {}) for one in (candidate, champion)))
    yield from _captions(file, rule, *(one.sections.get("captions", {}) for one in (candidate, champion)))


def _on_other_data(candidate: Evaluation, champion: Evaluation) -> str:
    """Why the two records cannot be compared; nothing where they can."""
    shared = candidate.datasets.keys() & champion.datasets.keys()
    if not shared:
        return "the two records have no dataset in common"
    differing = sorted(name for name in shared if candidate.datasets[name] != champion.datasets[name])
    return f"{', '.join(differing)} changed since the champion was measured; evaluate it again" if differing else ""


def _part(file: PolicyFile, rule: Losses, part: str, new: Found, old: Found) -> Iterator[Finding]:
    auc = _limit(file, rule, "auc")
    yield auc.at_most(part, _lost(new.get("auc"), old.get("auc")), f"AUC {old.get('auc')} → {new.get('auc')}")
    for name, more_is_worse in (("recall", False), ("accused", True)):
        yield _rates(_limit(file, rule, name), part, new.get(name), old.get(name), more_is_worse)
    for name, slices_of, more_is_worse in SLICES:
        limit = _limit(file, rule, name)
        before, after = enough(slices_of(old), rule.fewest), slices_of(new)
        for which, rate in before.items():
            yield _rates(limit, f"{part} {which}", after.get(which), rate, more_is_worse)


def _captions(file: PolicyFile, rule: Losses, new: Found, old: Found) -> Iterator[Finding]:
    for part, before in old.items():
        cider = new.get(part, {}).get("cider")
        yield _limit(file, rule, "cider").at_most(part, _lost(cider, before["cider"]), f"CIDEr {before['cider']} → {cider}")


def _rates(limit: Limit, part: str, new: Found | None, old: Found | None, more_is_worse: bool) -> Finding:
    if not new or not old or not new["of"] or not old["of"]:
        return limit.not_measured(part, "one of the two records does not count this slice")
    worse = new["rate"] - old["rate"] if more_is_worse else old["rate"] - new["rate"]
    what = "accused" if more_is_worse else "found"
    return limit.at_most(part, worse, f"{what}: {old['count']} of {old['of']} → {new['count']} of {new['of']}")


def _lost(new: float | None, old: float | None) -> float | None:
    return None if new is None or old is None else old - new


def _limit(file: PolicyFile, rule: Losses, name: str) -> Limit:
    return Limit(f"{name.replace('_', ' ')} lost", getattr(rule, name), file.place("losses", name), rule.required)
