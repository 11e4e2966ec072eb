"""A detector checkpoint → `detector.onnx`: the parts it reads → `logit` [n], the mean of its heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.export.small import GraphWriter
from pellucid.nets.detector import CLAMP, TOKEN_DIM
from pellucid.records.checkpoint import Checkpoint, Weights

ENCODER_BLOCKS = 12
Stored = Literal["int8", "float32"]


def export_detector(checkpoint: Checkpoint, path: Path, stored: Stored = "int8") -> None:
    """`nets.detector.DetectorEnsemble` node by node; its widest weights are stored as int8, or all as they were trained."""
    shape = checkpoint.origin.recipe["head"]
    graph = GraphWriter()
    rows = graph.weight(np.array(shape["layers"], dtype=np.int64) - 1)
    chosen = [graph.node("Gather", part, rows, axis=1) for part in shape["parts"]]
    selected = graph.node("Concat", *chosen, axis=1)
    keep = graph.stored_int8 if stored == "int8" else graph.weight
    logits = [_head(graph, keep, selected, _of_member(checkpoint.weights, member)) for member in range(shape["members"])]
    last = graph.node("Mean", *logits)
    graph.save([(part, ["n", ENCODER_BLOCKS, TOKEN_DIM]) for part in shape["parts"]], last, ("logit", ["n"]), path)


def _head(graph: GraphWriter, keep: Callable[[NDArray[np.float32]], str], selected: str, weights: Weights) -> str:
    """[n, count, 768] → [n]."""
    centred = graph.node("Sub", selected, _float(graph, weights["mean"]))
    scaled = graph.node("Mul", centred, _float(graph, weights["scale"]))
    limits = [graph.weight(np.array(limit, dtype=np.float32)) for limit in (-CLAMP, CLAMP)]
    by_part = graph.node("Transpose", graph.node("Clip", scaled, *limits), perm=[1, 0, 2])
    narrow = keep(weights["narrow"].astype(np.float32))
    narrowed = graph.node("Add", graph.node("MatMul", by_part, narrow), _float(graph, weights["narrow_bias"]))
    hidden = graph.node("Flatten", graph.node("Transpose", graph.node("Gelu", narrowed), perm=[1, 0, 2]), axis=1)
    normal = graph.node(
        "LayerNormalization", hidden, _float(graph, weights["judge.0.weight"]), _float(graph, weights["judge.0.bias"])
    )
    inner = graph.node(
        "Gemm", normal, keep(weights["judge.2.weight"].T.astype(np.float32)), _float(graph, weights["judge.2.bias"])
    )
    logit = graph.node(
        "Gemm",
        graph.node("Gelu", inner),
        _float(graph, weights["judge.5.weight"]),
        _float(graph, weights["judge.5.bias"]),
        transB=1,
    )
    return graph.node("Squeeze", logit, graph.weight(np.array([1], dtype=np.int64)))


def _of_member(weights: Weights, member: int) -> Weights:
    prefix = f"heads.{member}."
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def _float(graph: GraphWriter, array: NDArray[np.generic]) -> str:
    return graph.weight(array.astype(np.float32))
