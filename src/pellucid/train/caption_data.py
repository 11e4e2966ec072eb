"""Pictures with their captions as the decoder's training takes them: pooled patch tokens and padded word numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pellucid.nets.caption import pool_patches
from pellucid.records.dataset import Dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, words_of

POOL_AT_ONCE = 256
"""Pictures pooled in one go, so that float32 copies stay small."""


@dataclass(frozen=True)
class Sentences:
    """`words` [b, t], begun, ended and padded; `pictures` [b] says which row of the batch each is of."""

    words: Tensor
    pictures: Tensor

    def parts(self, count: int) -> Iterator[Sentences]:
        """The sentences sorted by length in `count` parts, each padded no more than its longest needs."""
        lengths = (self.words != PAD).sum(dim=1)
        for rows in torch.argsort(lengths, stable=True).chunk(count):
            yield Sentences(self.words[rows, : int(lengths[rows].max())], self.pictures[rows])


@dataclass(frozen=True)
class Captioned:
    """Pooled patch tokens [n, m, 768] and embeddings [n, 512] in float16, and the word numbers of every picture's captions."""

    patches: Tensor
    embedding: Tensor
    captions: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def pictures(self) -> int:
        return len(self.captions)

    def tokens(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self.patches[rows].float(), self.embedding[rows].float()

    def sentences(self, rows: Sequence[int]) -> Sentences:
        lines = [(place, caption) for place, row in enumerate(rows) for caption in self.captions[row]]
        words = torch.full((len(lines), max(len(caption) for _, caption in lines)), PAD)
        for line, (_, caption) in enumerate(lines):
            words[line, : len(caption)] = torch.tensor(caption)
        return Sentences(words, torch.tensor([place for place, _ in lines]))

    def spread(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of the patch tokens [768], over a sixteenth of the pictures or more."""
        some = self.patches[:: max(1, self.pictures // 512)].float().flatten(0, 1)
        return some.mean(dim=0), some.std(dim=0)


def load_captioned(
    dataset: Dataset, features: FeatureFolder, vocabulary: Vocabulary, view: str, max_words: int, pool: int
) -> Captioned:
    """Captions longer than `max_words` lose their tail and their end mark. Raises `DataError` where a feature lacks."""
    arrays = features.load(view, [sample.id for sample in dataset.samples], ("patches", "embedding"))
    index = {word: number for number, word in enumerate(vocabulary.words)}
    captions = tuple(tuple(_numbers(text, index, max_words) for text in sample.captions) for sample in dataset.samples)
    return Captioned(_pooled(arrays["patches"], pool), torch.from_numpy(arrays["embedding"]), captions)


def _numbers(text: str, index: dict[str, int], max_words: int) -> tuple[int, ...]:
    return (BEGIN, *[index.get(word, UNKNOWN) for word in words_of(text)], END)[: max_words + 2]


def _pooled(patches: NDArray[np.generic], pool: int) -> Tensor:
    parts = [
        pool_patches(torch.from_numpy(patches[start : start + POOL_AT_ONCE]).float(), pool).half()
        for start in range(0, len(patches), POOL_AT_ONCE)
    ]
    return torch.cat(parts)
