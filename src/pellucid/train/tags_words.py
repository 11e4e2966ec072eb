"""Which tags a picture's captions name: a fixed rule over a fixed list, so that anyone can say why a picture counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[a-z]+")
# Plural ending → singular ending, tried in this order; the singular must be one of the words looked for.
_PLURALS = (("ies", "y"), ("es", ""), ("s", ""))


def mentions(captions: Sequence[Sequence[str]], forms: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    """How many captions of each picture name each tag, [pictures, tags]."""
    tags_of: dict[str, list[int]] = {}
    for column, spelled in enumerate(forms.values()):
        for form in spelled:
            tags_of.setdefault(form, []).append(column)
    known = frozenset(word for form in tags_of for word in form.split())
    longest = max((len(form.split()) for form in tags_of), default=1)
    counts = np.zeros((len(captions), len(forms)), dtype=np.int64)
    for row, sentences in enumerate(captions):
        for sentence in sentences:
            named = {column for phrase in _phrases(sentence, known, longest) for column in tags_of.get(phrase, ())}
            counts[row, list(named)] += 1
    return counts


def singular(word: str, known: frozenset[str]) -> str:
    """`word` itself if it is looked for, else its singular if that is."""
    if word in known:
        return word
    for ending, instead in _PLURALS:
        if word.endswith(ending) and (stem := word[: -len(ending)] + instead) in known:
            return stem
    return word


def _phrases(sentence: str, known: frozenset[str], longest: int) -> Iterator[str]:
    words = [singular(word, known) for word in _WORD.findall(sentence.lower())]
    for size in range(1, longest + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])
