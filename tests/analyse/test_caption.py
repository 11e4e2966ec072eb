"""A sentence is shown only where it is sure and names nothing that the tags do not see."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pellucid.analyse.caption import shown, unseen
from pellucid.records.heads import TagEntry, TagSet
from pellucid.records.report import Caption, Missing
from pellucid.runtime.caption import CaptionResult

NAMES = ("person", "dog", "grass")


def bundle(*scores: float, thresholds: tuple[float | None, ...] = (0.5, 0.5, None)) -> SimpleNamespace:
    tags = tuple(TagEntry(name=name, source="encoder", threshold=limit) for name, limit in zip(NAMES, thresholds, strict=True))
    found = [(name, score, "encoder") for name, score in zip(NAMES, scores, strict=True)]
    return SimpleNamespace(tag_set=TagSet(tags=tags, at_most=1), tags=lambda _: [found])


def test_the_tags_know_what_they_do_not_see() -> None:
    embedding = np.zeros(512, np.float32)
    assert unseen(bundle(0.6, 0.1, 0.0), embedding) == {"dog"}
    assert unseen(bundle(0.6, 0.9, 0.0), embedding) == set(), "though one tag at most is shown"
    assert unseen(SimpleNamespace(tag_set=None), embedding) == set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A group of people are standing in a field.", "named person"),
        ("Two men and their puppies.", "named dog and person"),
        ("A green field.", None),
    ],
)
def test_a_sentence_of_what_the_tags_do_not_see_is_left_out(text: str, reason: str | None) -> None:
    found = shown(CaptionResult(text, 0.5), 0.4, frozenset({"person", "dog"}))
    if reason is None:
        assert isinstance(found, Caption)
    else:
        assert isinstance(found, Missing)
        assert reason in found.reason


@pytest.mark.parametrize(("text", "score", "reason"), [("A dog.", 0.39, "not sure enough"), ("", 0.9, "no words")])
def test_an_unsure_or_empty_sentence_is_left_out(text: str, score: float, reason: str) -> None:
    found = shown(CaptionResult(text, score), 0.4, frozenset())
    assert isinstance(found, Missing)
    assert reason in found.reason
