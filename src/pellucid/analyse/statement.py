"""A report → the statement of reasons that is owed for it, or none: where nothing is restricted and nothing labelled.

| field                 | says                                                                                               |
|-----------------------|----------------------------------------------------------------------------------------------------|
| `decision_visibility` | what the policy of recourse calls the decision; labelled, where the verdict is AI                    |
| `decision_facts`      | the verdict's words, the rule with its reason, and the scores it compared                            |
| `automated_detection` | No only where a user's flag came before a ruling and the machine had neither accused nor restricted  |
| `automated_decision`  | fully, or partially where a moderator ruled on it or on the same picture before                      |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.records.label import Ruling, label_of
from pellucid.records.recourse import Ground, RecoursePolicy, Statements, Visibility
from pellucid.records.report import Report
from pellucid.records.statement import Fields, Statement, YesNo

OTHER = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
DATE = 10


@dataclass(frozen=True)
class Circumstances:
    """What the report does not say: the ruling in force on this picture, if any, and whether a user had flagged it before."""

    ruling: Ruling | None = None
    flagged: bool = False


def statement_of(report: Report, around: Circumstances, policy: RecoursePolicy) -> Statement | None:
    """Pure; a bank's reason or a moderator's is given as it stands."""
    terms = policy.statements
    visibility = list(dict.fromkeys(_restrictions(report, terms)))
    if not visibility:
        return None
    ground, inherited = _ground(report, terms), report.ruling is not None and report.ruling.how == "inherited"
    fields = Fields(
        puid=_puid(report),
        decision_visibility=visibility,
        decision_ground="DECISION_GROUND_INCOMPATIBLE_CONTENT",
        decision_ground_reference_url=terms.terms_url,
        incompatible_content_ground=ground.ground,
        incompatible_content_explanation=_explanation(report, terms)[:2000],
        content_type=["CONTENT_TYPE_IMAGE", "CONTENT_TYPE_SYNTHETIC_MEDIA"] if _is_ai(report) else ["CONTENT_TYPE_IMAGE"],
        category=ground.category,
        category_specification=list(ground.keywords),
        territorial_scope=list(terms.territorial_scope),
        content_date=report.created[:DATE],
        application_date=_decided_on(report),
        decision_facts=" ".join(_facts(report, terms))[:5000],
        source_type="SOURCE_TYPE_OTHER_NOTIFICATION" if around.flagged and around.ruling else "SOURCE_VOLUNTARY",
        automated_detection=_detection(around, terms),
        automated_decision="AUTOMATED_DECISION_PARTIALLY" if around.ruling or inherited else "AUTOMATED_DECISION_FULLY",
    )
    redress = [each.replace("{id}", report.id) for each in terms.redress]
    return Statement(analysis=report.id, policy=policy.label, fields=fields, redress=redress)


def _decided_on(report: Report) -> str:
    """The day of the ruling on this picture; of one on another only where this one was there before."""
    of_upload = report.created[:DATE]
    if report.ruling is None or report.ruling.how == "similar":
        return of_upload
    return report.ruling.created[:DATE] if report.ruling.how == "ruled" else max(of_upload, report.ruling.created[:DATE])


def _puid(report: Report) -> str:
    decided = report.ruling if report.ruling and report.ruling.how != "similar" else None
    return f"{report.id}-{decided.id}" if decided else report.id


def _restrictions(report: Report, terms: Statements) -> Iterator[Visibility]:
    if report.moderation and (restricts := terms.visibility.get(report.moderation.decision)):
        yield restricts
    if _is_ai(report):
        yield terms.labelled


def _is_ai(report: Report) -> bool:
    return label_of(report.verdict.label) == "ai"


def _is_restricted(report: Report, terms: Statements) -> bool:
    return report.moderation is not None and report.moderation.decision in terms.visibility


def _ground(report: Report, terms: Statements) -> Ground:
    """That of the rule which restricted; a label alone has its own."""
    if not _is_restricted(report, terms) or report.moderation is None:
        return Ground(rule="label", category=OTHER, ground=terms.label_ground)
    rule = report.moderation.rule
    return next(
        (each for each in terms.grounds if each.rule == rule), Ground(rule=rule, category=OTHER, ground=terms.other_ground)
    )


def _explanation(report: Report, terms: Statements) -> str:
    parts = [report.moderation.reason] if report.moderation and _is_restricted(report, terms) else []
    return " ".join([*parts, report.verdict.text] if _is_ai(report) else parts)


def _facts(report: Report, terms: Statements) -> Iterator[str]:
    yield f"Verdict: {report.verdict.label}, on the ground of {' and '.join(report.verdict.basis) or 'nothing'}."
    yield report.verdict.text
    for piece in report.evidence:
        if piece.kind != "ruling":
            yield f"{piece.kind.capitalize()} ({piece.source}, {piece.state}): {piece.says}."
    if report.inference:
        yield f"Probability of AI by the pixels: {report.inference.probability:.2f}."
    if report.moderation and _is_restricted(report, terms):
        own = report.moderation
        scores = ", ".join(f"{name} {score:.2f}" for name, score in sorted(own.scores.items()))
        yield f"Decision: {own.decision}, by the rule {own.rule} of {own.policy}. {own.reason}"
        yield f"Scores: {scores}." if scores else ""
    if report.ruling and report.ruling.how != "similar":
        yield f"A moderator's reason: {report.ruling.reason}"


def _detection(around: Circumstances, terms: Statements) -> YesNo:
    ruling = around.ruling
    if ruling is None or not around.flagged:
        return "Yes"
    by_machine = label_of(ruling.machine) == "ai" or ruling.machine_decision in (*terms.visibility, "review")
    return "Yes" if by_machine else "No"
