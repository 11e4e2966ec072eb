"""A sentence is shown only where it is sure and names nothing that the tags do not see."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pellucid.analyse.caption import shown
from pellucid.records.heads import TagEntry, TagSet
from pellucid.records.report import Missing
from pellucid.runtime.caption import CaptionResult

NAMES = ("person", "dog", "grass")


def bundle(*scores: float, floor: float = 0.4) -> SimpleNamespace:
    """Its tags know people and dogs, show one thing at most, and have no threshold for grass."""
    tags = tuple(
        TagEntry(name=name, source="encoder", threshold=limit) for name, limit in zip(NAMES, (0.5, 0.5, None), strict=True)
    )
    found = [(name, score, "encoder") for name, score in zip(NAMES, scores, strict=True)]
    return SimpleNamespace(caption_floor=floor, tag_set=TagSet(tags=tags, at_most=1), tags=lambda _: [found])


def told(text: str, of: SimpleNamespace, score: float = 0.5) -> str | None:
    """Why the sentence is left out; None where it is shown."""
    found = shown(CaptionResult(text, score), np.zeros(512, np.float32), of)
    return found.reason if isinstance(found, Missing) else None


@pytest.mark.parametrize(
    ("text", "scores", "reason"),
    [
        ("A group of people are standing in a field.", (0.1, 0.9, 0.0), "named person"),
        ("Two men and their puppies.", (0.1, 0.1, 0.0), "named dog and person"),
        ("Two men and their puppies.", (0.6, 0.9, 0.0), None),
        ("A green field of grass.", (0.1, 0.1, 0.0), None),
        ("A baseball player is on a field.", (0.1, 0.1, 0.0), "named person"),
    ],
)
def test_a_sentence_of_what_the_tags_do_not_see_is_left_out(text: str, scores: tuple[float, ...], reason: str | None) -> None:
    found = told(text, bundle(*scores))
    assert (found is None) == (reason is None)
    assert (reason or "") in (found or "")


def test_without_tags_nobody_contradicts() -> None:
    assert told("A dog.", SimpleNamespace(caption_floor=0.4, tag_set=None)) is None


@pytest.mark.parametrize(("text", "score", "reason"), [("A dog.", 0.39, "not sure enough"), ("", 0.9, "no words")])
def test_an_unsure_or_empty_sentence_is_left_out(text: str, score: float, reason: str) -> None:
    assert reason in str(told(text, bundle(0.9, 0.9, 0.9), score))
