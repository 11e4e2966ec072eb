"""The vocabulary of a training set: every word that was seen often enough to be learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pellucid.runtime.vocabulary import SPECIAL, Decoding, Vocabulary, words_of


def build_vocabulary(captions: Iterable[str], min_count: int, decoding: Decoding) -> Vocabulary:
    """Every word seen at least `min_count` times, the most frequent first."""
    counts = Counter(word for caption in captions for word in words_of(caption))
    kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word))
    return Vocabulary((*SPECIAL, *kept), decoding)
