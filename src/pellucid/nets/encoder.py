"""CLIP's image tower with the outputs that all heads share."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

OUTPUTS = ("class_tokens", "patch_mean", "patch_std", "patches", "embedding")


class SharedEncoder(nn.Module):
    """pixels [n, 3, 224, 224] → class_tokens, patch_mean, patch_std [n, 12, 768], patches [n, 196, 768], embedding [n, 512].

    The class token of every block (RINE, arXiv 2402.19091) and the mean and spread of its patch tokens serve detection;
    the last block's patch tokens serve the caption decoder; the projected embedding serves tags, concepts and search.
    """

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        self.tower = CLIPVisionModelWithProjection.from_pretrained(str(weights), dtype=torch.float32, attn_implementation="eager")
        self.tower.eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        output = self.tower(pixel_values=pixels, output_hidden_states=True)
        blocks = output.hidden_states[1:]
        class_tokens = torch.stack([block[:, 0] for block in blocks], dim=1)
        patch_mean = torch.stack([block[:, 1:].mean(dim=1) for block in blocks], dim=1)
        patch_std = torch.stack([block[:, 1:].std(dim=1) for block in blocks], dim=1)
        return class_tokens, patch_mean, patch_std, blocks[-1][:, 1:], output.image_embeds
