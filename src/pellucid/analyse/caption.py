"""Whether a caption is shown: outside the domains the captioner knows, unsure, or of things that no tag sees, it is left out.

The report says why. A wrong sentence is worse than none: it would be read aloud as the picture's alt text
(docs/adr/0026-captions-and-tags-agree.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.tags import Score, unseen_names
from pellucid.records.bundle import Domains, TagSet
from pellucid.records.report import Caption, Missing
from pellucid.runtime.caption import CaptionResult
from pellucid.runtime.object_words import name_table, objects_named
from pellucid.runtime.vocabulary import words_of

PART = "caption"


class Judges(Protocol):
    """What is asked whether a caption may be shown: a `LoadedBundle`."""

    @property
    def caption_floor(self) -> float: ...

    @property
    def tag_set(self) -> TagSet | None: ...

    def tags(self, embedding: NDArray[np.generic]) -> list[list[Score]]: ...


def left_out(probabilities: Mapping[str, float], domains: Domains) -> Missing | None:
    """Why no caption should be tried for a picture of these domain probabilities, if so."""
    excluded = {name: probabilities[name] for name in domains.caption_excluded}
    if not excluded or sum(excluded.values()) < domains.caption_excluded_above:
        return None
    likeliest = max(excluded, key=excluded.__getitem__)
    return Missing(part=PART, reason=f"looks like {likeliest}, which the captioner was not trained for")


def shown(result: CaptionResult, embedding: NDArray[np.generic], bundle: Judges) -> Caption | Missing:
    """The caption of the picture of this embedding [512], or why it is not shown."""
    if not result.text:
        return Missing(part=PART, reason="the captioner found no words")
    floor = bundle.caption_floor
    if result.score < floor:
        return Missing(part=PART, reason=f"the captioner is not sure enough ({result.score:.2f}; needed is {floor:.2f})")
    named = objects_named(words_of(result.text), name_table())
    if named and (doubtful := sorted(named & _unseen(embedding, bundle))):
        return Missing(part=PART, reason=f"the captioner named {' and '.join(doubtful)}, which the tags do not see")
    return Caption(text=result.text, score=round(result.score, 4))


def _unseen(embedding: NDArray[np.generic], bundle: Judges) -> set[str]:
    """Things that the tags do not see in the picture, though they know them."""
    if bundle.tag_set is None:
        return set()
    (scores,) = bundle.tags(embedding[None])
    return unseen_names(scores, bundle.tag_set)
