"""Tags are shown once, the surest first, and only where a head reaches its threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.tags import choose_tags, merged_scores
from pellucid.records.heads import TagEntry, TagSet, TagSource

Score = tuple[str, float, TagSource]
NAMES = ("dog", "cat", "grass", "car", "wall")
ENTRY = st.builds(
    TagEntry, name=st.sampled_from(NAMES), source=st.sampled_from(["encoder", "captions"]), threshold=st.none() | st.floats(0, 1)
)
SCORED = st.lists(st.tuples(ENTRY, st.floats(0, 1)), min_size=1, max_size=10)


def spec(*entries: tuple[str, TagSource, float | None], at_most: int = 12) -> TagSet:
    return TagSet(
        tags=tuple(TagEntry(name=name, source=source, threshold=bound) for name, source, bound in entries), at_most=at_most
    )


@given(SCORED, st.integers(0, 6))
def test_tags_are_sorted_unique_and_at_most_as_many_as_asked(scored: list[tuple[TagEntry, float]], limit: int) -> None:
    tag_set = TagSet(tags=tuple(entry for entry, _ in scored))
    tags = choose_tags([(entry.name, score, entry.source) for entry, score in scored], tag_set, limit)
    assert len(tags) <= limit
    assert len({tag.name for tag in tags}) == len(tags)
    assert [tag.score for tag in tags] == sorted((tag.score for tag in tags), reverse=True)
    reached = {entry.name for entry, score in scored if entry.threshold is not None and score >= entry.threshold}
    assert {tag.name for tag in tags} <= reached


@given(SCORED)
def test_a_merged_score_lies_between_its_heads(scored: list[tuple[TagEntry, float]]) -> None:
    merged = merged_scores([(entry.name, score, entry.source) for entry, score in scored])
    for name, score in merged.items():
        heads = [value for entry, value in scored if entry.name == name]
        assert min(heads) - 1e-6 <= score <= max(heads) + 1e-6


def test_a_thing_that_both_heads_know_is_listed_once_with_the_surer_head_named() -> None:
    scores: list[Score] = [("dog", 0.6, "encoder"), ("dog", 0.9, "captions")]
    (tag,) = choose_tags(scores, spec(("dog", "encoder", 0.5), ("dog", "captions", 0.5)))
    odds = math.sqrt(0.6 / 0.4 * 0.9 / 0.1)
    assert (tag.name, tag.source) == ("dog", "captions")
    assert tag.score == pytest.approx(odds / (1 + odds))


def test_of_a_thing_that_both_heads_know_one_head_alone_shows_nothing() -> None:
    """The word head for `person` learned where people are in four of five pictures, and is asked for little."""
    both = spec(("person", "encoder", 0.4), ("person", "captions", 0.4))
    assert choose_tags([("person", 0.05, "encoder"), ("person", 0.45, "captions")], both) == []
    assert choose_tags([("person", 0.3, "encoder"), ("person", 0.9, "captions")], both)
    hidden = spec(("person", "encoder", None), ("person", "captions", 0.4))
    assert choose_tags([("person", 0.05, "encoder"), ("person", 0.45, "captions")], hidden)


def test_a_concept_without_threshold_is_never_shown() -> None:
    assert choose_tags([("wall", 1.0, "encoder")], spec(("wall", "encoder", None))) == []


def test_no_more_than_the_tag_set_allows() -> None:
    tag_set = spec(("dog", "encoder", 0.1), ("cat", "encoder", 0.1), at_most=1)
    assert [tag.name for tag in choose_tags([("dog", 0.3, "encoder"), ("cat", 0.4, "encoder")], tag_set)] == ["cat"]
