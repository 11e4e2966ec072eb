"""A detector checkpoint → `detector.onnx`: the parts it reads → `logit` [n]."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pellucid.export.small import export_module
from pellucid.nets.detector import TOKEN_DIM, DetectorEnsemble, DetectorHead
from pellucid.records.checkpoint import Checkpoint

ENCODER_BLOCKS = 12


class _Named(nn.Module):
    """The ensemble with positional inputs in the order of its parts, as the tracer needs them."""

    def __init__(self, ensemble: DetectorEnsemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, *tokens: Tensor) -> Tensor:
        logits: Tensor = self.ensemble(*tokens)
        return logits


def load_detector(checkpoint: Checkpoint) -> DetectorEnsemble:
    """The trained ensemble of a checkpoint."""
    shape = checkpoint.origin.recipe["head"]
    heads = [
        DetectorHead(shape["parts"], shape["layers"], shape["width"], shape["hidden"], shape["dropout"], shape["layer_dropout"])
        for _ in range(shape["members"])
    ]
    ensemble = DetectorEnsemble(heads)
    ensemble.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in checkpoint.weights.items()})
    return ensemble.eval()


def export_detector(checkpoint: Checkpoint, path: Path) -> None:
    ensemble = load_detector(checkpoint)
    export_module(_Named(ensemble), [(part, (ENCODER_BLOCKS, TOKEN_DIM)) for part in ensemble.parts], "logit", path)
