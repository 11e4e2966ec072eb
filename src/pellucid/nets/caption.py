"""The caption decoder: a small transformer that reads the encoder's patch tokens and writes a sentence word by word.

What does not change while a sentence grows (the picture's keys and values in every layer) is computed once by `memory`,
so that a step of decoding costs one word and not the picture. Pre-norm blocks (arXiv 2002.04745), tied word vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH_GRID = 14


@dataclass(frozen=True)
class DecoderShape:
    """Everything that decides the arrays of a decoder; kept in its checkpoint. `pool` patches a side become one token."""

    words: int
    width: int = 256
    layers: int = 3
    heads: int = 4
    feed_forward: int = 1024
    max_words: int = 20
    pool: int = 2
    patch_width: int = 768
    embedding_width: int = 512


@dataclass(frozen=True)
class Dropout:
    """Shares set to zero in training: of activations, of attention weights, and of whole picture tokens."""

    activations: float = 0.0
    attention: float = 0.0
    tokens: float = 0.0


def pool_patches(patches_npd: Tensor, pool: int) -> Tensor:
    """[n, 196, d] → [n, (14 / pool)², d], the mean of every `pool` x `pool` patches."""
    n, _, width = patches_npd.shape
    side = PATCH_GRID // pool
    return patches_npd.reshape(n, side, pool, side, pool, width).mean(dim=(2, 4)).reshape(n, side * side, width)


class CaptionDecoder(nn.Module):
    """Shapes: n pictures, b sentences, t words, m picture tokens (pooled patches and one for the embedding), v words known."""

    def __init__(self, shape: DecoderShape, dropout: Dropout | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout or Dropout()
        self.register_buffer("patch_mean", torch.zeros(shape.patch_width))
        self.register_buffer("patch_scale", torch.ones(shape.patch_width))
        self.patch_in = nn.Linear(shape.patch_width, shape.width)
        self.embedding_in = nn.Linear(shape.embedding_width, shape.width)
        self.places = nn.Parameter(torch.randn((PATCH_GRID // shape.pool) ** 2, shape.width) * 0.02)
        self.memory_norm = nn.LayerNorm(shape.width)
        self.word_vectors = nn.Embedding(shape.words, shape.width)
        self.positions = nn.Embedding(shape.max_words + 1, shape.width)
        self.blocks = nn.ModuleList(_Block(shape, self.dropout) for _ in range(shape.layers))
        self.last_norm = nn.LayerNorm(shape.width)
        self.word_bias = nn.Parameter(torch.zeros(shape.words))
        nn.init.normal_(self.word_vectors.weight, std=shape.width**-0.5)
        nn.init.normal_(self.positions.weight, std=0.02)

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Take the mean and spread of the training pictures' patch tokens [d]; a few of CLIP's channels are huge."""
        self.get_buffer("patch_mean").copy_(mean)
        self.get_buffer("patch_scale").copy_(1.0 / std.clamp_min(1e-4))

    def memory(self, tokens_nmd: Tensor, embedding_nd: Tensor) -> Tensor:
        """Pooled patches [n, m - 1, 768] and embedding [n, 512] → cross-attention keys and values [layers, 2, n, m, width]."""
        tokens = (tokens_nmd - self.get_buffer("patch_mean")) * self.get_buffer("patch_scale")
        patches = self.patch_in(tokens) + self.places
        whole = self.embedding_in(functional.normalize(embedding_nd, dim=-1) * self.shape.embedding_width**0.5)
        both = self.memory_norm(torch.cat([whole.unsqueeze(1), patches], dim=1))
        both = functional.dropout(both, self.dropout.activations, self.training)
        if self.training and self.dropout.tokens:
            both = both * (torch.rand(both.shape[:2], device=both.device) >= self.dropout.tokens).unsqueeze(-1)
        return torch.stack([block.cross_keys_values(both) for block in self._layers()])

    def forward(self, words_bt: Tensor, cross: Tensor) -> Tensor:
        """Teacher forcing: words [b, t] and keys and values [layers, 2, b, m, width] → logits [b, t, v]."""
        places = torch.arange(words_bt.shape[1], device=words_bt.device)
        x = self.word_vectors(words_bt) * self.shape.width**0.5 + self.positions(places)
        x = functional.dropout(x, self.dropout.activations, self.training)
        for block, of_block in zip(self._layers(), cross, strict=True):
            x = block(x, of_block)
        return self.logits(x)

    def step(self, words_b: Tensor, position: Tensor, past: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
        """One word on: words [b], position [1], past [layers, 2, b, t, width] → log-probabilities [b, v], past with t + 1."""
        x = self.word_vectors(words_b).unsqueeze(1) * self.shape.width**0.5 + self.positions(position)
        present = []
        for layer, block in enumerate(self._layers()):
            x, kept = block.step(x, past[layer], cross[layer])
            present.append(kept)
        return functional.log_softmax(self.logits(x).squeeze(1), dim=-1), torch.stack(present)

    def logits(self, x: Tensor) -> Tensor:
        x = functional.dropout(self.last_norm(x), self.dropout.activations, self.training)
        return functional.linear(x, self.word_vectors.weight, self.word_bias)

    def _layers(self) -> list[_Block]:
        return [block for block in self.blocks if isinstance(block, _Block)]

    def empty_past(self, sentences: int) -> Tensor:
        return torch.zeros(self.shape.layers, 2, sentences, 0, self.shape.width)


class _Block(nn.Module):
    def __init__(self, shape: DecoderShape, dropout: Dropout) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.dropout = dropout
        self.self_norm, self.cross_norm, self.feed_norm = (nn.LayerNorm(width) for _ in range(3))
        self.self_in = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_in = nn.Linear(width, width)
        self.cross_memory = nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.feed_in = nn.Linear(width, shape.feed_forward)
        self.feed_out = nn.Linear(shape.feed_forward, width)

    def cross_keys_values(self, memory_nmd: Tensor) -> Tensor:
        return torch.stack(self.cross_memory(memory_nmd).chunk(2, dim=-1))

    def forward(self, x: Tensor, cross: Tensor) -> Tensor:
        query, key, value = self.self_in(self.self_norm(x)).chunk(3, dim=-1)
        x = x + self._drop(self.self_out(self._attend(query, key, value, causal=True)))
        return self._look_and_think(x, cross)

    def step(self, x: Tensor, past: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self.self_in(self.self_norm(x)).chunk(3, dim=-1)
        present = torch.cat([past, torch.stack([key, value])], dim=2)
        x = x + self._drop(self.self_out(self._attend(query, present[0], present[1])))
        return self._look_and_think(x, cross), present

    def _look_and_think(self, x: Tensor, cross: Tensor) -> Tensor:
        x = x + self._drop(self.cross_out(self._attend(self.cross_in(self.cross_norm(x)), cross[0], cross[1])))
        hidden = functional.gelu(self.feed_in(self.feed_norm(x)))
        return x + self._drop(self.feed_out(hidden))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
        share = self.dropout.attention if self.training else 0.0
        query, key, value = self._split(query), self._split(key), self._split(value)
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=share, is_causal=causal)
        return mixed.transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        by_head: Tensor = x.unflatten(-1, (self.heads, -1))
        return by_head.transpose(1, 2)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout.activations, self.training)
