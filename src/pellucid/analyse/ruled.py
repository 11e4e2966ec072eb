"""A report with a ruling in it: the verdict is the moderator's, the decision follows, and everything else stays to be seen.

The policy is asked again only for what it decided. What a hash bank blocks stays blocked, whatever anybody rules.
"""

from __future__ import annotations

from pellucid.analyse.dry_run import BY_MODERATOR, LIKE_A_RULED_ONE, decided_by, is_blocked_by_bank
from pellucid.analyse.inheritance import Found
from pellucid.analyse.policy import Policy
from pellucid.analyse.verdict import INHERITED, RULED, decide
from pellucid.records.label import Ruling
from pellucid.records.report import Evidence, Moderation, Report, RulingShown

SIMILAR = "similar"


def ruled(report: Report, ruling: Ruling, policy: Policy) -> Report:
    """On the picture that the moderator saw."""
    return _with(report, ruling, _shown(ruling, "ruled"), _piece(ruling, RULED), policy)


def inherited(report: Report, ruling: Ruling, found: Found, policy: Policy) -> Report:
    """The picture is the one that was ruled on, saved again."""
    piece = _piece(ruling, INHERITED, f"on {found.known.analysis}, the same picture")
    return _with(report, ruling, _nearness(_shown(ruling, "inherited"), found), piece, policy)


def again(report: Report, ruling: Ruling, policy: Policy) -> Report:
    """An heir's report after the ruling that it inherited was corrected by `ruling`."""
    piece = next(piece for piece in report.evidence if piece.kind == "ruling")
    before = report.ruling.model_dump(include={"distance", "structure", "tone"}) if report.ruling else {}
    shown = _shown(ruling, "inherited").model_copy(update=before)
    return _with(report, ruling, shown, piece.model_copy(update={"says": ruling.verdict}), policy)


def similar(report: Report, ruling: Ruling, found: Found) -> Report:
    """The ruling is shown and decides nothing; a person looks, unless more than that was decided already."""
    piece = _piece(ruling, SIMILAR, f"on {found.known.analysis}, a similar picture")
    evidence = [*(each for each in report.evidence if each.kind != "ruling"), piece]
    changes: dict[str, object] = {"evidence": evidence, "ruling": _nearness(_shown(ruling, "similar"), found)}
    own = report.moderation
    if own is None or own.decision in ("allow", "limit"):
        changes["moderation"] = Moderation(
            decision="review", rule=LIKE_A_RULED_ONE, policy=ruling.policy, scores=own.scores if own else {},
            reason="The picture is similar to one on which a moderator has ruled, and is not the same.",
        )  # fmt: skip
    return report.model_copy(update=changes)


def _with(report: Report, ruling: Ruling, shown: RulingShown, piece: Evidence, policy: Policy) -> Report:
    evidence = [*(each for each in report.evidence if each.kind != "ruling"), piece]
    changed = report.model_copy(update={"evidence": evidence, "verdict": decide(report.inference, evidence), "ruling": shown})
    return changed.model_copy(update={"moderation": _moderation(changed, ruling, policy)})


def _moderation(report: Report, ruling: Ruling, policy: Policy) -> Moderation | None:
    own = report.moderation
    if is_blocked_by_bank(report):
        return own
    if ruling.decision is not None:
        scores = own.scores if own else {}
        return Moderation(decision=ruling.decision, rule=BY_MODERATOR, reason=ruling.reason, policy=ruling.policy, scores=scores)
    return decided_by(policy, report) or own


def _piece(ruling: Ruling, state: str, detail: str | None = None) -> Evidence:
    return Evidence(kind="ruling", source="moderator", says=ruling.verdict, state=state, detail=detail)


def _shown(ruling: Ruling, how: str) -> RulingShown:
    """The reply is to who appealed, so it does not go along to other uploads."""
    told = {"id", "analysis", "verdict", "created", "reason", *(("reply",) if how == "ruled" else ())}
    return RulingShown.model_validate({"how": how, **ruling.model_dump(include=told)})


def _nearness(shown: RulingShown, found: Found) -> RulingShown:
    laid = found.overlay
    return shown.model_copy(update={"distance": found.distance, "structure": laid and laid.structure, "tone": laid and laid.tone})
