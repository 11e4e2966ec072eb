"""Captions as people wrote them → words, and the vocabulary of a training set.

Words are cut as the Penn Treebank tokenizer of the caption metrics cuts them (possessives apart, hyphens kept), so that what is
learned is what is scored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pellucid.runtime.vocabulary import SPECIAL, Decoding, Vocabulary

_WORD = re.compile(r"'s\b|[a-z0-9]+(?:-[a-z0-9]+)*")


def words_of(text: str) -> list[str]:
    """Lower-cased words without punctuation."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def build_vocabulary(captions: Iterable[str], min_count: int, decoding: Decoding) -> Vocabulary:
    """Every word seen at least `min_count` times, the most frequent first."""
    counts = Counter(word for caption in captions for word in words_of(caption))
    kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word))
    return Vocabulary((*SPECIAL, *kept), decoding)
