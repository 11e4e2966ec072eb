"""CIDEr-D (arXiv 1411.5726) as a reward: agreement in rare word groups with what people wrote about the picture.

The metric of record is `evaluate/captions.py`; this one is the same formula over the training set's own words and document
counts, fast enough to be asked a hundred times a step. The end mark counts as a word, else sentences learn to break off.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Words = Sequence[str]
Gram = tuple[str, ...]
LONGEST = 4
SIGMA = 6.0
END_MARK = "<end>"


@dataclass(frozen=True)
class _Weighted:
    """Weights of the word groups of each length, their norms, and the number of words."""

    grams: tuple[dict[Gram, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderReward:
    """Holds the references' weights; `score(picture, words)` is 0 to 10."""

    def __init__(self, references: Sequence[Sequence[Words]]) -> None:
        documents: Counter[Gram] = Counter()
        for of_picture in references:
            documents.update({gram for words in of_picture for grams in _counts(words) for gram in grams})
        self._log_pictures = math.log(max(2, len(references)))
        self._rarity = {gram: self._log_pictures - math.log(count) for gram, count in documents.items()}
        self._references = [[self._weigh(words) for words in of_picture] for of_picture in references]

    def score(self, picture: int, words: Words) -> float:
        candidate = self._weigh(words)
        references = self._references[picture]
        return 10.0 * sum(_likeness(candidate, reference) for reference in references) / (LONGEST * len(references))

    def _weigh(self, words: Words) -> _Weighted:
        counts = _counts(words)
        grams = tuple({gram: n * self._rarity.get(gram, self._log_pictures) for gram, n in of.items()} for of in counts)
        norms = tuple(math.sqrt(sum(weight * weight for weight in of.values())) for of in grams)
        return _Weighted(grams, norms, len(words) + 1)


def _likeness(candidate: _Weighted, reference: _Weighted) -> float:
    total = 0.0
    for grams, norm, wanted, wanted_norm in zip(candidate.grams, candidate.norms, reference.grams, reference.norms, strict=True):
        if norm and wanted_norm:
            shared = sum(min(weight, wanted[gram]) * wanted[gram] for gram, weight in grams.items() if gram in wanted)
            total += shared / (norm * wanted_norm)
    distance = candidate.length - reference.length
    return total * math.exp(-distance * distance / (2 * SIGMA * SIGMA))


def _counts(words: Words) -> list[Counter[Gram]]:
    marked = (*words, END_MARK)
    return [Counter(marked[start : start + n] for start in range(len(marked) - n + 1)) for n in range(1, LONGEST + 1)]
