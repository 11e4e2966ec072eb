"""What a captioner run may be told; the shipped ones are `defaults/recipes/captioner*.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pellucid.nets.caption import DecoderShape, Dropout
from pellucid.records.recipe import Recipe
from pellucid.runtime.vocabulary import Decoding
from pellucid.train.loop import Optimiser


class CaptionData(Recipe):
    """`view` and the number of times a word must be seen to be known; longer captions are cut at `max_words`."""

    view: str = "caption"
    min_count: int = Field(default=4, ge=1)
    max_words: int = Field(default=18, ge=4)


class Decoder(Recipe):
    """Shape of `nets.caption.CaptionDecoder`; `pool` x `pool` patches become one token (1, 2 or 7)."""

    width: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    feed_forward: int = Field(gt=0)
    pool: Literal[1, 2, 7] = 2
    dropout: float = Field(ge=0, lt=1)
    attention_dropout: float = Field(ge=0, lt=1)
    token_dropout: float = Field(ge=0, lt=1)

    def shape(self, words: int, max_words: int) -> DecoderShape:
        return DecoderShape(words, self.width, self.layers, self.heads, self.feed_forward, max_words, self.pool)

    def rates(self) -> Dropout:
        return Dropout(self.dropout, self.attention_dropout, self.token_dropout)


class Reward(Recipe):
    """Self-critical sequence training (arXiv 1612.00563): `samples` sentences a picture, rewarded with CIDEr-D.

    `temperature` under 1 keeps the noise that smoothed labels taught out of the samples. Without `optimiser` it is left out.
    """

    samples: int = Field(default=5, ge=2)
    temperature: float = Field(default=0.6, gt=0)
    optimiser: Optimiser | None = None


class Search(Recipe):
    """How the served decoder looks for its sentence; written into `vocabulary.json` (`runtime.vocabulary.Decoding`)."""

    beams: int = Field(ge=1)
    min_words: int = Field(ge=1)
    max_words: int = Field(ge=4)
    length_power: float = Field(ge=0)
    never_last: tuple[str, ...]
    may_repeat: tuple[str, ...]

    def decoding(self) -> Decoding:
        return Decoding(**self.model_dump())


class CaptionerRecipe(Recipe):
    kind: Literal["caption"]
    name: str
    dataset: str
    seed: int = 0
    label_smoothing: float = Field(ge=0, lt=1)
    data: CaptionData
    decoder: Decoder
    optimiser: Optimiser
    reward: Reward = Reward()
    decoding: Search
