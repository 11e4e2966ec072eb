"""The shared encoder: torch weights → one int8 ONNX file that ONNX Runtime, OpenVINO and Triton all run.

Static int8 (NNCF with smooth quantisation; arXiv 2211.10438) for a reason beyond speed: integer accumulation makes a
picture's answer bit-identical in every batch (docs/adr/0003-int8-encoder.md). The quantiser leaves float weights behind
a quantise node; folding them to int8 is what brings the file from 345 MB under 90.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nncf
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from pellucid.nets.encoder import OUTPUTS, SharedEncoder

OPSET = 17


def export_float(weights: str | Path, out: Path) -> None:
    """Trace the tower to float32 ONNX with a free batch axis."""
    pixels = torch.zeros(2, 3, 224, 224)
    axes = {name: {0: "n"} for name in ("pixels", *OUTPUTS)}
    torch.onnx.export(
        SharedEncoder(weights), (pixels,), str(out), input_names=["pixels"], output_names=list(OUTPUTS),
        dynamic_axes=axes, opset_version=OPSET, dynamo=False,
    )  # fmt: skip


def quantise(float_path: Path, pictures: Iterable[NDArray[np.float32]], out: Path, smooth: bool = True) -> None:
    """Static int8 from calibration `pictures`, each [1, 3, 224, 224]; writes `out`. `smooth` is for transformers."""
    samples = [{"pixels": picture} for picture in pictures]
    quantised = nncf.quantize(
        onnx.load(str(float_path)), nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER if smooth else None,
        preset=nncf.QuantizationPreset.MIXED, subset_size=len(samples), fast_bias_correction=True,
    )  # fmt: skip
    onnx.save(fold_weights(quantised), str(out))


def fold_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace every quantise node that reads a stored float array by the int8 array it would make."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    constants = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}

    def value(name: str) -> NDArray[np.generic] | None:
        if name in stored:
            return numpy_helper.to_array(stored[name])
        return numpy_helper.to_array(constants[name].attribute[0].t) if name in constants else None

    for node in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        weight = value(node.input[0])
        scale, zero_point = value(node.input[1]), value(node.input[2])
        if weight is None or scale is None or zero_point is None:
            continue
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        folded = numpy_helper.from_array(_quantise(weight, scale, zero_point, axis), node.output[0])
        graph.node.remove(node)
        graph.initializer.append(folded)
    return _without_orphans(model)


def _quantise(
    weight: NDArray[np.generic], scale: NDArray[np.generic], zero_point: NDArray[np.generic], axis: int
) -> NDArray[np.generic]:
    shape = [1] * weight.ndim
    if scale.ndim and scale.size > 1:
        shape[axis] = -1
    low, high = (0, 255) if zero_point.dtype == np.uint8 else (-128, 127)
    scaled = np.rint(weight.astype(np.float32) / scale.astype(np.float32).reshape(shape))
    shifted = np.clip(scaled + zero_point.astype(np.float32).reshape(shape), low, high)
    stored: NDArray[np.generic] = shifted.astype(zero_point.dtype)
    return stored


def _without_orphans(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = model.graph
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    for node in [node for node in graph.node if node.op_type == "Constant" and node.output[0] not in used]:
        graph.node.remove(node)
    return model
