"""Small heads as ONNX files: traced from torch or written node by node, with int8 or float16 weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 17
WORTH_SHRINKING = 4096


def export_module(
    module: nn.Module, inputs: Sequence[tuple[str, tuple[int, ...]]], output: str, path: Path
) -> None:
    """Trace `module` (inputs by name and shape without the batch axis) to ONNX with weights stored as int8."""
    axes = {name: {0: "n"} for name in [name for name, _ in inputs] + [output]}
    torch.onnx.export(
        module.eval(), tuple(torch.zeros(2, *shape) for _, shape in inputs), str(path),
        input_names=[name for name, _ in inputs], output_names=[output], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
    )  # fmt: skip
    onnx.save(store_int8(onnx.load(str(path))), str(path))


def store_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float weights as int8 with one scale a last-axis channel; arithmetic stays in float32."""
    graph, nodes = model.graph, []
    for tensor in list(graph.initializer):
        weight = numpy_helper.to_array(tensor)
        if weight.dtype != np.float32 or weight.size < WORTH_SHRINKING or weight.ndim < 2:
            continue
        flat = weight.reshape(-1, weight.shape[-1])
        scale = np.maximum(np.abs(flat).max(axis=0) / 127, 1e-12).astype(np.float32)
        stored = np.rint(flat / scale).astype(np.int8).reshape(weight.shape)
        graph.initializer.remove(tensor)
        graph.initializer.extend([numpy_helper.from_array(stored, f"{tensor.name}.int8"), numpy_helper.from_array(scale, f"{tensor.name}.scale")])
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{tensor.name}.int8", f"{tensor.name}.scale"], [tensor.name], axis=weight.ndim - 1)
        )
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    return model


def export_softmax(weight: NDArray[np.floating], bias: NDArray[np.floating], path: Path) -> None:
    """Multinomial logistic regression on the direction of `embedding` [n, d] → `probabilities` [n, k].

    `weight` is [k, d], `bias` [k].
    """
    graph = helper.make_graph(
        [
            helper.make_node("LpNormalization", ["embedding"], ["direction"], axis=-1, p=2),
            helper.make_node("Gemm", ["direction", "weight", "bias"], ["scores"], transB=1),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
        ],
        "softmax",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", weight.shape[0]])],
        [numpy_helper.from_array(weight.astype(np.float32), "weight"), numpy_helper.from_array(bias.astype(np.float32), "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
