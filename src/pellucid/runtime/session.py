"""Run one ONNX file: the encoder in whichever runtime is faster on this processor, the small heads in ONNX Runtime.

All are behind one method so that a remote server can stand in their place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import BundleError
from pellucid.base.telemetry import switch_off_telemetry

Tensors = dict[str, NDArray[np.generic]]
BackEnd = Literal["openvino", "onnxruntime"]
# Integer dot products as Linux names them. Without them OpenVINO takes three times as long as ONNX Runtime, with them a third
# (docs/adr/0003-int8-encoder.md).
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


class Session(Protocol):
    inputs: tuple[str, ...]

    def run(self, inputs: Tensors) -> Tensors:
        """Outputs by name, each a copy of its own. Safe to call from several threads."""
        ...


class OpenVinoSession:
    """OpenVINO on the CPU; float parts in float32, so that the same file gives the same bits with or without bf16 units."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        switch_off_telemetry()
        import openvino as ov

        options: dict[str, object] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._compiled = ov.Core().compile_model(str(path), "CPU", options)
        # The binding looks NumPy up once, at the first array it is given; two threads that are first at one time wait for ever.
        ov.Tensor(np.zeros(1, np.float32))
        self.inputs = tuple(port.get_any_name() for port in self._compiled.inputs)
        # A thread keeps its request: making one waits for a stream that is in the middle of another thread's picture.
        self._own = threading.local()
        # One output may carry several names (its own and that of the node it came from).
        self._names = [output.get_names() for output in self._compiled.outputs]

    def run(self, inputs: Tensors) -> Tensors:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        results = self._own.request.infer(inputs)
        arrays = [results[index].copy() for index in range(len(self._names))]
        return {name: array for names, array in zip(self._names, arrays, strict=True) for name in names}


class OnnxRuntimeSession:
    """ONNX Runtime on the CPU. `exact`: sums of int8 products never saturate, which they may without VNNI; somewhat slower."""

    def __init__(self, path: Path, threads: int = 0, exact: bool = False) -> None:
        switch_off_telemetry()
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Waiting threads sleep: several pictures are in work at a time, and a spinning thread takes the core of another.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(port.name for port in self._session.get_inputs())
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Tensors) -> Tensors:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))


class RowByRow:
    """A session that is asked for one row at a time.

    ONNX Runtime's float kernels sum in another order in a larger batch, so a picture's last bits would depend on who else asks.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs = session.inputs

    def run(self, inputs: Tensors) -> Tensors:
        count = len(next(iter(inputs.values())))
        rows = [self._session.run({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(count)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def open_encoder(path: Path, threads: int = 0, back_end: BackEnd | None = None) -> Session:
    """The encoder, with the same bits for a picture in every batch; `back_end` as `fastest_back_end` where it is None.

    Raises `BundleError` where the file cannot be loaded.
    """
    chosen = back_end or fastest_back_end(processor_flags())
    session = open_session(path, chosen, threads)
    return session if chosen == "openvino" else RowByRow(session)


def fastest_back_end(flags: Collection[str]) -> BackEnd:
    """The back end for an int8 encoder on a processor with these `flags`."""
    return "openvino" if INT8_FLAGS & set(flags) else "onnxruntime"


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """What the first processor can do, in Linux's words; empty where the system does not say."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


def open_session(path: Path, back_end: BackEnd, threads: int = 0) -> Session:
    """Raises `BundleError` where the file cannot be loaded."""
    kind = OpenVinoSession if back_end == "openvino" else OnnxRuntimeSession
    return _opened(path, lambda: kind(path, threads), back_end)


def open_exact(path: Path) -> Session:
    """A small head of int8 products, on one thread. Raises `BundleError`."""
    return _opened(path, lambda: OnnxRuntimeSession(path, threads=1, exact=True), "onnxruntime")


def _opened(path: Path, make: Callable[[], Session], back_end: BackEnd) -> Session:
    try:
        return make()
    except Exception as error:
        raise BundleError(f"{path.name} cannot be loaded by {back_end}: {error}") from error
