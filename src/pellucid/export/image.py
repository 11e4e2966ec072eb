"""An end-to-end detector's checkpoint → float32 ONNX: `pixels` [n, 3, 224, 224] as the encoder takes them → `logit` [n].

The graph is optimised once here (constants folded, batch norm merged into convolutions), with standard operators only, so that
every runtime and the quantiser get the same small graph.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from pellucid.export.small import OPSET
from pellucid.nets.image import ImageDetector, Network, Served
from pellucid.records.bundle import ViewSpec
from pellucid.records.checkpoint import Checkpoint

AT_ONCE = 16


def served_network(checkpoint: Checkpoint) -> Served:
    """The network behind the served view, in evaluation mode."""
    network = Network.model_validate(checkpoint.origin.recipe["network"])
    detector = ImageDetector(network)
    detector.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in checkpoint.weights.items()})
    return Served(detector, network).eval()


def export_network(checkpoint: Checkpoint, path: Path) -> None:
    """Trace, optimise, write."""
    side = ViewSpec().encoder_px
    axes = {"pixels": {0: "n"}, "logit": {0: "n"}}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns of every comparison of shapes in transformers; the parity check is what we go by.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served_network(checkpoint), (torch.zeros(2, 3, side, side),), str(Path(folder) / "traced.onnx"),
            input_names=["pixels"], output_names=["logit"], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        optimise(Path(folder) / "traced.onnx", path)


def optimise(path: Path, out: Path) -> None:
    """What ONNX Runtime can simplify on any machine; its kernels for this one processor stay out of the file."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    logging.getLogger(__name__).info("%s: %d bytes", out.name, out.stat().st_size)


@torch.no_grad()
def torch_logits(checkpoint: Checkpoint, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network says in torch, [n]: the reference that exported files are held against."""
    network = served_network(checkpoint)
    batches = torch.from_numpy(pixels).split(AT_ONCE)
    return torch.cat([network(batch) for batch in batches]).numpy()
