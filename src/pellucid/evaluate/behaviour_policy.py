"""Templates of the moderation policy, which is a pure function: thousands of drawn scores cost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pellucid.analyse.moderation import moderate
from pellucid.analyse.policy import Policy
from pellucid.evaluate.behaviour_answers import Answers, Template
from pellucid.records.report import VerdictLabel
from pellucid.runtime.bundle import SAFETY_CLASSES

# From mild to strict.
STRICTNESS = ("allow", "limit", "review", "block")
CASES = 1000
NOBODY_ASKS = "a score that no rule asks for"
Scores = dict[str, float]


def drawn_scores(policy: Policy, seed: int) -> Iterator[Scores]:
    """Scores of every class and tag that the policy knows: most low, some high, as they come in service."""
    draw = np.random.default_rng(seed)
    names = sorted({*SAFETY_CLASSES, *(tag for tags in policy.concepts.values() for tag in tags)})
    for row in draw.beta(0.5, 0.8, (CASES, len(names))).tolist():
        yield dict(zip(names, row, strict=True))


def _strictness(policy: Policy, scores: Mapping[str, float], label: VerdictLabel = "no_ai_found", domain: str = "photo") -> int:
    return STRICTNESS.index(moderate(policy, scores, label, domain).decision)


def _nothing_found(answers: Answers) -> Iterator[bool]:
    for scores in drawn_scores(answers.policy, answers.seed):
        yield _strictness(answers.policy, dict.fromkeys(scores, 0.0) | {"safe": scores["safe"]}) == 0


def _unscanned(answers: Answers) -> Iterator[bool]:
    for scores in drawn_scores(answers.policy, answers.seed):
        yield _strictness(answers.policy, {name: score for name, score in scores.items() if name not in SAFETY_CLASSES}) > 0


def _score_nobody_asks(answers: Answers) -> Iterator[bool]:
    for scores in drawn_scores(answers.policy, answers.seed):
        more = scores | {NOBODY_ASKS: 1.0}
        yield _strictness(answers.policy, more) == _strictness(answers.policy, scores)


def _unsafer(answers: Answers, name: str) -> Iterator[bool]:
    for scores in drawn_scores(answers.policy, answers.seed):
        worse = scores | {name: (1 + scores[name]) / 2}
        yield _strictness(answers.policy, worse) >= _strictness(answers.policy, scores)


def _generated(answers: Answers) -> Iterator[bool]:
    for scores in drawn_scores(answers.policy, answers.seed):
        yield _strictness(answers.policy, scores, "generated") >= _strictness(answers.policy, scores)


POLICY_TESTS = (
    Template("policy_minimum_nothing", "policy", "minimum", "A picture in which nothing was found is allowed.", _nothing_found),
    Template(
        "policy_minimum_unscanned", "policy", "minimum", "A picture that no safety model saw is not allowed.", _unscanned
    ),
    Template(
        "policy_invariance_unknown", "policy", "invariance", "A score that no rule asks for changes no decision.",
        _score_nobody_asks,
    ),
    Template(
        "policy_direction_nsfw", "policy", "direction", "A higher score for sexual content never makes the decision milder.",
        lambda answers: _unsafer(answers, "nsfw"),
    ),
    Template(
        "policy_direction_gore", "policy", "direction", "A higher score for gore never makes the decision milder.",
        lambda answers: _unsafer(answers, "gore"),
    ),
    Template(
        "policy_direction_generated", "policy", "direction", "A verdict of generated never makes the decision milder.", _generated
    ),
)  # fmt: skip
