"""Small heads as ONNX files, written node by node: nothing is traced, so the graph is exactly what stands here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 9
Port = tuple[str, Sequence[str | int]]


class GraphWriter:
    """Collects nodes and weights of one graph; every method returns the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, array: NDArray[np.generic]) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def stored_int8(self, array: NDArray[np.floating]) -> str:
        """`array` kept as int8 with one scale a channel of its last axis; arithmetic stays in float32."""
        flat = array.reshape(-1, array.shape[-1])
        scale = np.maximum(np.abs(flat).max(axis=0) / 127, 1e-12).astype(np.float32)
        stored = np.rint(flat / scale).astype(np.int8).reshape(array.shape)
        return self.node("DequantizeLinear", self.weight(stored), self.weight(scale), axis=array.ndim - 1)

    def save(self, inputs: Sequence[Port], last: str, output: Port, path: Path) -> None:
        """Check and write the graph, whose result `last` is given the output's name."""
        self.nodes.append(helper.make_node("Identity", [last], [output[0]]))
        graph = helper.make_graph(self.nodes, path.stem, [_value(port) for port in inputs], [_value(output)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))


def _value(port: Port) -> onnx.ValueInfoProto:
    name, shape = port
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def export_softmax(weight: NDArray[np.floating], bias: NDArray[np.floating], path: Path) -> None:
    """Multinomial logistic regression on the direction of `embedding` [n, d] → `probabilities` [n, k].

    `weight` is [k, d], `bias` [k].
    """
    graph = GraphWriter()
    direction = graph.node("LpNormalization", "embedding", axis=-1, p=2)
    scores = graph.node(
        "Gemm", direction, graph.weight(weight.astype(np.float32)), graph.weight(bias.astype(np.float32)), transB=1
    )
    last = graph.node("Softmax", scores, axis=-1)
    graph.save([("embedding", ["n", weight.shape[1]])], last, ("probabilities", ["n", weight.shape[0]]), path)
