"""Scores → a decision with the rule that fired: the policy's first rule that holds, read from top to bottom.

Pure and total: the same scores and policy give the same decision, and there always is one (`policy.py` refuses a policy
without a last word).
"""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.analyse.policy import Policy as Policy
from pellucid.analyse.policy import load_policy as load_policy
from pellucid.records.report import Moderation, VerdictLabel

# Always among the scores of a report, whether or not a rule asks for them: moderators quote them.
ALWAYS_SHOWN = ("nsfw", "gore")


def moderate(
    policy: Policy, scores: Mapping[str, float], verdict_label: VerdictLabel | None = None, domain: str | None = None
) -> Moderation:
    """`scores` are those of the safety model and of the tags, by name; concepts are added here.

    The report keeps the scores that the policy asks for, as they were compared.
    """
    known = with_concepts(policy, scores)
    rule = next(rule for rule in policy.rules if rule.when is None or rule.when.holds(known, verdict_label, domain))
    shown = sorted({*ALWAYS_SHOWN, *policy.concepts, *policy.scores_asked} & known.keys())
    return Moderation(
        decision=rule.decision,
        rule=rule.name,
        reason=rule.reason,
        policy=policy.label,
        scores={name: known[name] for name in shown},
    )


def with_concepts(policy: Policy, scores: Mapping[str, float]) -> dict[str, float]:
    """`scores` rounded to the four digits that are shown, and for each concept the highest of its tags that are known."""
    rounded = {name: round(float(score), 4) for name, score in scores.items()}
    found = {name: [rounded[tag] for tag in tags if tag in rounded] for name, tags in policy.concepts.items()}
    return rounded | {name: max(values) for name, values in found.items() if values}
