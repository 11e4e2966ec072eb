"""The tag head as one small ONNX file: zero-shot classes and words of captions, both calibrated, from one embedding.

    embedding → direction ─┬→ cosine × scale → log-softmax → a·x + b ─┬→ sigmoid → scores
                           └→ words' weight and bias ─────────────────┘

Text vectors and weights are stored as float16; arithmetic is float32.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Weights, read_checkpoint
from pellucid.records.heads import TagSet, read_json

OPSET = 17


def export_tags(checkpoint: Path, folder: Path) -> None:
    """Write `tags.onnx` (`embedding` [n, d] → `scores` [n, T]) and `tags.json` into `folder`. Raises `DataError`."""
    weights = read_checkpoint(checkpoint, "tags").weights
    tags = read_json(checkpoint / "tags.json", TagSet).tags
    outputs = len(weights["zero_shot.vectors"]) + len(weights["words.bias"])
    if len(tags) != outputs:
        raise DataError(f"{checkpoint} has {outputs} tag outputs, its tags.json names {len(tags)}; train it again")
    onnx.save(tag_model(weights), str(folder / "tags.onnx"))
    shutil.copyfile(checkpoint / "tags.json", folder / "tags.json")


def tag_model(weights: Weights) -> onnx.ModelProto:
    """Zero-shot columns first, then words, as in `tags.json`."""
    vectors, scale = weights["zero_shot.vectors"].astype(np.float32), weights["zero_shot.scale"].astype(np.float32)
    slope, offset = np.split(weights["zero_shot.platt"].astype(np.float32), 2)
    stored: Weights = {
        "vectors.16": (vectors * scale).T.astype(np.float16), "slope": slope, "offset": offset,
        "words.16": weights["words.weight"].T.astype(np.float16), "words_bias": weights["words.bias"].astype(np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("LpNormalization", ["embedding"], ["direction"], axis=-1, p=2),
        helper.make_node("Cast", ["vectors.16"], ["vectors"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["words.16"], ["words"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["direction", "vectors"], ["similarity"]),
        helper.make_node("LogSoftmax", ["similarity"], ["logs"], axis=-1),
        helper.make_node("Mul", ["logs", "slope"], ["steeper"]),
        helper.make_node("Add", ["steeper", "offset"], ["zero_shot"]),
        helper.make_node("Gemm", ["direction", "words", "words_bias"], ["named"]),
        helper.make_node("Concat", ["zero_shot", "named"], ["logits"], axis=-1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes, "tags",
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", vectors.shape[1]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(vectors) + len(weights["words.bias"])])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in stored.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model
