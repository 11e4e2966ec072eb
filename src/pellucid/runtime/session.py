"""Run one ONNX file: OpenVINO for the encoder (integer kernels on x86), ONNX Runtime for the small heads.

Both are behind one method so that a remote server can stand in their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import BundleError

Tensors = dict[str, NDArray[np.generic]]
BackEnd = Literal["openvino", "onnxruntime"]


class Session(Protocol):
    inputs: tuple[str, ...]

    def run(self, inputs: Tensors) -> Tensors:
        """Outputs by name, each a copy of its own. Safe to call from several threads."""
        ...


class OpenVinoSession:
    """OpenVINO on the CPU; float parts in float32, so that the same file gives the same bits with or without bf16 units."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        import openvino as ov

        options: dict[str, object] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._compiled = ov.Core().compile_model(str(path), "CPU", options)
        self.inputs = tuple(port.get_any_name() for port in self._compiled.inputs)
        # One output may carry several names (its own and that of the node it came from).
        self._names = [output.get_names() for output in self._compiled.outputs]

    def run(self, inputs: Tensors) -> Tensors:
        results = self._compiled.create_infer_request().infer(inputs)
        arrays = [results[index].copy() for index in range(len(self._names))]
        return {name: array for names, array in zip(self._names, arrays, strict=True) for name in names}


class OnnxRuntimeSession:
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(port.name for port in self._session.get_inputs())
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Tensors) -> Tensors:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))


def open_session(path: Path, back_end: BackEnd, threads: int = 0) -> Session:
    """Raises `BundleError` where the file cannot be loaded."""
    kind = OpenVinoSession if back_end == "openvino" else OnnxRuntimeSession
    try:
        return kind(path, threads)
    except Exception as error:
        raise BundleError(f"{path.name} cannot be loaded by {back_end}: {error}") from error
