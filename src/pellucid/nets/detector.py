"""The detection head: layer-wise tokens of the frozen encoder → one logit, P(AI)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

TOKEN_DIM = 768
# Standard deviations beyond which a token's value counts no further.
CLAMP = 8.0


class DetectorHead(nn.Module):
    """{part: [n, 12, 768]} → logit [n].

    Early blocks carry texture, late ones content; each (part, layer) is standardised and narrowed to `width` on its own
    before they meet (after RINE, arXiv 2402.19091). Whole layers are dropped in training, so no single one decides.
    """

    def __init__(
        self, parts: Sequence[str], layers: Sequence[int], width: int, hidden: int, dropout: float, layer_dropout: float
    ) -> None:
        super().__init__()
        self.parts, self.layers = tuple(parts), tuple(layers)
        count = len(self.parts) * len(self.layers)
        self.layer_dropout = layer_dropout
        self.register_buffer("mean", torch.zeros(count, TOKEN_DIM))
        self.register_buffer("scale", torch.ones(count, TOKEN_DIM))
        self.narrow = nn.Parameter(torch.randn(count, TOKEN_DIM, width) * TOKEN_DIM**-0.5)
        self.narrow_bias = nn.Parameter(torch.zeros(count, 1, width))
        self.judge = nn.Sequential(
            nn.LayerNorm(count * width), nn.Dropout(dropout), nn.Linear(count * width, hidden), nn.GELU(),
            nn.Dropout(dropout), nn.Linear(hidden, 1),
        )  # fmt: skip

    def select(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """The chosen parts and layers as [n, count, 768]."""
        rows = [layer - 1 for layer in self.layers]
        return torch.cat([tokens[part][:, rows] for part in self.parts], dim=1)

    def standardise_on(self, selected: Tensor) -> None:
        """Take mean and scale from training data [n, count, 768]."""
        self.mean = selected.mean(dim=0)
        self.scale = 1.0 / (selected.std(dim=0) + 1e-4)

    def standardise(self, selected: Tensor) -> Tensor:
        """[n, count, 768] in units of the training data's spread; done once for all epochs."""
        return ((selected - self.mean) * self.scale).clamp(-CLAMP, CLAMP)

    def judge_standard(self, standard: Tensor) -> Tensor:
        """Standardised tokens, parts first [count, n, 768] → logit [n]."""
        narrowed = torch.baddbmm(self.narrow_bias, standard, self.narrow)
        hidden = nn.functional.gelu(narrowed).transpose(0, 1)
        if self.training and self.layer_dropout:
            keep = torch.rand(hidden.shape[:2], device=hidden.device) >= self.layer_dropout
            hidden = hidden * keep.unsqueeze(-1) / (1 - self.layer_dropout)
        logits: Tensor = self.judge(hidden.flatten(1)).squeeze(-1)
        return logits

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        return self.judge_standard(self.standardise(self.select(tokens)).transpose(0, 1))


class DetectorEnsemble(nn.Module):
    """The mean logit of heads that differ in their seed only; named inputs, so that it can be exported."""

    def __init__(self, heads: Sequence[DetectorHead]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.parts = heads[0].parts

    def forward(self, *tokens: Tensor) -> Tensor:
        named = dict(zip(self.parts, tokens, strict=True))
        return torch.stack([head(named) for head in self.heads]).mean(dim=0)
