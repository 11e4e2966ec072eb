"""The variants a model can be served in: float32, weights stored as bf16, static int8 with and without smooth quantisation.

Smooth quantisation (arXiv 2211.10438) moves the spread of a transformer's activations into its weights; convolutions, whose
activations are tame after a ReLU, have no use for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pellucid.export.encoder import quantise

Variant = Literal["float32", "bf16", "int8", "int8-smooth"]
VARIANTS: tuple[Variant, ...] = ("float32", "bf16", "int8", "int8-smooth")


def make_variant(name: Variant, float_path: Path, scales: Sequence[NDArray[np.float32]], out: Path) -> None:
    """Write `out` from the float32 file; `scales` are pictures [1, 3, 224, 224] that set int8 scales."""
    if name == "float32":
        shutil.copyfile(float_path, out)
    elif name == "bf16":
        onnx.save(stored_as_bf16(onnx.load(str(float_path))), str(out))
    else:
        quantise(float_path, scales, out, smooth=name == "int8-smooth")


def stored_as_bf16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Half the bytes: matrices and kernels as bf16, widened when the file is loaded.

    Arithmetic stays float32 unless a runtime with bf16 units is told otherwise; rounding is to the nearest, ties to even.
    """
    graph = model.graph
    for tensor in [tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1]:
        bits = np.ascontiguousarray(numpy_helper.to_array(tensor), dtype=np.float32).view(np.uint32)
        halves = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        narrow = f"{tensor.name}_bf16"
        graph.initializer.append(helper.make_tensor(narrow, TensorProto.BFLOAT16, tensor.dims, halves.tobytes(), raw=True))
        graph.node.insert(0, helper.make_node("Cast", [narrow], [tensor.name], to=TensorProto.FLOAT))
        graph.initializer.remove(tensor)
    return model
