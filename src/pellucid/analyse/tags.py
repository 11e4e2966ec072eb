"""Scores of the tag head → the tags a person is shown: each thing once, only where it is sure enough, the surest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pellucid.records.heads import TagSet, TagSource
from pellucid.records.report import Tag

Score = tuple[str, float, TagSource]
# Keeps the mean of log-odds finite where a head says exactly 0 or 1.
EDGE = 1e-7


def choose_tags(scores: Sequence[Score], spec: TagSet, limit: int | None = None) -> list[Tag]:
    """At most `limit` (the tag set's own where None) tags, highest score first, no name twice.

    `scores` are (name, score, source) in the order of `spec`. A tag that both heads know is shown if both together reach what
    both together are asked (means of log-odds, `merged_scores`): one head that is carried away shows nothing by itself. Heads
    without a threshold have no say in it. `source` is the head that is surer.
    """
    merged = merged_scores(scores)
    heads: dict[str, list[Score]] = {}
    asked: list[Score] = []
    for score, entry in zip(scores, spec.tags, strict=True):
        if entry.threshold is not None:
            heads.setdefault(score[0], []).append(score)
            asked.append((score[0], entry.threshold, entry.source))
    thresholds = merged_scores(asked)
    shown = {name: found for name, found in heads.items() if merged_scores(found)[name] >= thresholds[name]}
    tags = [Tag(name=name, score=merged[name], source=max(found, key=lambda one: one[1])[2]) for name, found in shown.items()]
    return sorted(tags, key=lambda tag: (-tag.score, tag.name))[: spec.at_most if limit is None else limit]


def unseen_names(scores: Sequence[Score], spec: TagSet) -> set[str]:
    """Names of things that the tags could show of a picture with these `scores`, and do not."""
    shown = {tag.name for tag in choose_tags(scores, spec, len(spec.tags))}
    return {entry.name for entry in spec.tags if entry.threshold is not None} - shown


def merged_scores(scores: Iterable[Score]) -> dict[str, float]:
    """name → probability; where both heads know a name, the mean of their log-odds."""
    by_name: dict[str, list[float]] = {}
    for name, score, _ in scores:
        by_name.setdefault(name, []).append(score)
    return {name: found[0] if len(found) == 1 else _mean(found) for name, found in by_name.items()}


def _mean(scores: Sequence[float]) -> float:
    odds = [math.log(score / (1 - score)) for score in (min(max(score, EDGE), 1 - EDGE) for score in scores)]
    return 1 / (1 + math.exp(-sum(odds) / len(odds)))
