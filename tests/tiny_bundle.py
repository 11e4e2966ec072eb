"""A complete bundle in the real format, made by code in under a second: random weights, no knowledge, every part there.

    make_tiny_bundle(folder)                           everything
    make_tiny_bundle(folder, without=("caption",))     a bundle that lacks parts
    make_tiny_bundle(folder, thresholds=…)             other thresholds than the default, which are not near anything

Its encoder answers as the real one does (same names, shapes, one answer whatever the batch) at a hundredth of the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pellucid.records.bundle import (
    Bundle,
    BundleHead,
    Calibration,
    Domains,
    Origin,
    SliceThreshold,
    TagEntry,
    TagSet,
    Thresholds,
    ViewSpec,
    read_bundle,
    write_bundle,
)  # fmt: skip
from pellucid.records.report import Budget
from pellucid.runtime.vocabulary import END, SPECIAL, Decoding, Vocabulary, write_vocabulary

OPSET = 17
LAYERS, WIDTH, EMBEDDING = 12, 768, 512
DOMAINS = ("photo", "face", "art", "screenshot", "document")
WORDS = (*SPECIAL, "a", "the", "leaf", "runs", "on", "grass", "red", "cart", "through", "water", "wind", "sits")
TAGS = ("dog", "cat", "grass", "person", "red", "car")
THRESHOLDS = Thresholds(
    slices={
        "all": SliceThreshold(threshold=0.9, budget=Budget(accused_per_10000=60, upper=95, measured_on=1200)),
        "art": SliceThreshold(threshold=None, parent="all", budget=None),
    },
    near_below=0.0,
    near_above=0.0,
    re_encodings=("jpeg60", "web", "resize50"),
)

Node = onnx.NodeProto
Arrays = dict[str, NDArray[np.generic]]
Port = tuple[str, Sequence[str | int]]


def make_tiny_bundle(folder: Path, without: Sequence[str] = (), thresholds: Thresholds = THRESHOLDS, seed: int = 0) -> Bundle:
    """Write the bundle into `folder`. `without` names parts to leave out: tags, safety, caption."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in PARTS if part not in without]
    for number, part in enumerate(parts):
        PARTS[part](folder, np.random.default_rng([seed, number]))
    _write(folder / "thresholds.json", thresholds.model_dump_json())
    _write(folder / "calibration.json", Calibration(a=1.0, b=0.0).model_dump_json())
    _write(folder / "card.md", "# Tiny bundle\n\nRandom weights for tests; its answers mean nothing.\n")
    _write(folder / "licences" / "Apache-2.0.txt", "Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0\n")
    head = BundleHead(
        name="tiny", recipe={"kind": "bundle", "seed": seed}, git_commit="0" * 40, data={"detect": "0" * 16},
        parts=dict.fromkeys(parts, "any"), views=ViewSpec(),
    )  # fmt: skip
    origin = Origin(licence="Apache-2.0", source="made by tests/tiny_bundle.py")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.parent == folder]
    return write_bundle(folder, head, {name: origin for name in names if name != "bundle.json"})


def reseal(folder: Path) -> Bundle:
    """Write `bundle.json` anew for files that a test has changed."""
    found = read_bundle(folder)
    origins = {name: Origin(licence=file.licence, source=file.source) for name, file in found.files.items()}
    (folder / "bundle.json").unlink()
    return write_bundle(folder, BundleHead(**{name: getattr(found, name) for name in BundleHead.model_fields}), origins)


def _encoder(folder: Path, draw: np.random.Generator) -> None:
    arrays: Arrays = {
        "by_channel": draw.normal(0, 1, (3, WIDTH)).astype(np.float32),
        "by_layer": draw.normal(0, 1, (1, LAYERS, WIDTH)).astype(np.float32),
        "tokens": np.array([0, 3, 196], dtype=np.int64),
        "first": np.array([0], dtype=np.int64),
        "last": np.array([EMBEDDING], dtype=np.int64),
        "axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        _node("AveragePool", ["pixels"], "pooled", kernel_shape=[16, 16], strides=[16, 16]),
        _node("Reshape", ["pooled", "tokens"], "columns"),
        _node("Transpose", ["columns"], "rows", perm=[0, 2, 1]),
        _node("MatMul", ["rows", "by_channel"], "mixed"),
        _node("Tanh", ["mixed"], "patches"),
        _node("ReduceMean", ["patches"], "mean", axes=[1], keepdims=1),
        _node("Sub", ["patches", "mean"], "centred"),
        _node("Mul", ["centred", "centred"], "squares"),
        _node("ReduceMean", ["squares"], "variance", axes=[1], keepdims=1),
        _node("Sqrt", ["variance"], "spread"),
        _node("Mul", ["mean", "by_layer"], "patch_mean"),
        _node("Mul", ["spread", "by_layer"], "patch_std"),
        _node("Add", ["patch_mean", "patch_std"], "class_tokens"),
        _node("ReduceMean", ["class_tokens"], "pooled_tokens", axes=[1], keepdims=0),
        _node("Slice", ["pooled_tokens", "first", "last", "axis"], "embedding"),
    ]
    outputs: list[Port] = [
        ("class_tokens", ["n", LAYERS, WIDTH]), ("patch_mean", ["n", LAYERS, WIDTH]), ("patch_std", ["n", LAYERS, WIDTH]),
        ("patches", ["n", 196, WIDTH]), ("embedding", ["n", EMBEDDING]),
    ]  # fmt: skip
    save_graph(folder / "encoder.onnx", nodes, [("pixels", ["n", 3, 224, 224])], outputs, arrays)


def _detector(folder: Path, draw: np.random.Generator) -> None:
    nodes = [
        _node("Mul", ["class_tokens", "weight"], "weighed"),
        _node("ReduceSum", ["weighed", "axes"], "logit", keepdims=0),
    ]
    arrays: Arrays = {
        "weight": draw.normal(0, 0.1, (1, LAYERS, WIDTH)).astype(np.float32),
        "axes": np.array([1, 2], dtype=np.int64),
    }
    save_graph(folder / "detector.onnx", nodes, [("class_tokens", ["n", LAYERS, WIDTH])], [("logit", ["n"])], arrays)


def _domain(folder: Path, draw: np.random.Generator) -> None:
    _linear(folder / "domain.onnx", draw, len(DOMAINS), "Softmax", "probabilities")
    _write(folder / "domains.json", Domains(names=DOMAINS, caption_excluded=("screenshot", "document")).model_dump_json())


def _tags(folder: Path, draw: np.random.Generator) -> None:
    _linear(folder / "tags.onnx", draw, len(TAGS), "Sigmoid", "scores")
    sources = ("encoder", "captions") * (len(TAGS) // 2)
    entries = [TagEntry(name=name, source=source, threshold=0.5) for name, source in zip(TAGS, sources, strict=True)]
    _write(folder / "tags.json", TagSet(tags=tuple(entries), at_most=5).model_dump_json())


def _safety(folder: Path, draw: np.random.Generator) -> None:
    nodes = [
        _node("ReduceMean", ["image"], "colour", axes=[2, 3], keepdims=0),
        _node("Mul", ["colour", "scale"], "small"),
        _node("Gemm", ["small", "weight", "bias"], "scores"),
        _node("Softmax", ["scores"], "probabilities", axis=-1),
    ]
    arrays: Arrays = {
        "scale": np.float32([1 / 255]),
        "weight": draw.normal(0, 1, (3, 3)).astype(np.float32),
        "bias": np.float32([-3, -3, 3]),
    }
    save_graph(folder / "safety.onnx", nodes, [("image", ["n", 3, 224, 224])], [("probabilities", ["n", 3])], arrays)


def _caption(folder: Path, draw: np.random.Generator) -> None:
    """Every word follows from the last one, the picture's embedding and the place in the sentence; it needs no memory."""
    count = len(WORDS)
    ending = np.zeros((1, count), dtype=np.float32)
    ending[0, END] = 0.5
    arrays: Arrays = {
        "follows": draw.normal(0, 1, (count, count)).astype(np.float32),
        "pictured": draw.normal(0, 0.3, (EMBEDDING, count)).astype(np.float32),
        "ending": ending,
        "cross_always": np.ones((1, 2, 1, 1, 1), dtype=np.float32),
        "one_sentence": np.array([1, 1, -1, 1, 1], dtype=np.int64),
    }
    nodes = [
        _node("Gather", ["follows", "words"], "by_word"),
        _node("MatMul", ["embedding", "pictured"], "by_picture"),
        _node("Cast", ["position"], "place", to=TensorProto.FLOAT),
        _node("Mul", ["place", "ending"], "by_place"),
        _node("Sum", ["by_word", "by_picture", "by_place"], "scores"),
        _node("LogSoftmax", ["scores"], "log_probs", axis=-1),
        _node("Identity", ["cross_always"], "cross_out"),
        _node("Cast", ["words"], "as_floats", to=TensorProto.FLOAT),
        _node("Reshape", ["as_floats", "one_sentence"], "keys"),
        _node("Concat", ["keys", "keys"], "past_out", axis=1),
    ]
    inputs: list[Port] = [
        ("patches", [1, 196, WIDTH]),
        ("embedding", [1, EMBEDDING]),
        ("words", ["b"]),
        ("position", [1]),
        *((name, [f"{name}{axis}" for axis in range(5)]) for name in ("cross", "past")),
    ]
    outputs: list[Port] = [("log_probs", ["b", count]), ("cross_out", [1, 2, 1, 1, 1]), ("past_out", [1, 2, "b", 1, 1])]
    save_graph(folder / "caption.onnx", nodes, inputs, outputs, arrays, integers=("words", "position"))
    decoding = Decoding(
        beams=3, min_words=3, max_words=8, length_power=0.7, never_last=("a", "the"), may_repeat=("a", "the"), score_floor=0.0
    )
    write_vocabulary(Vocabulary(WORDS, decoding), folder / "vocabulary.json")


PARTS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "encoder": _encoder,
    "detector": _detector,
    "domain": _domain,
    "tags": _tags,
    "safety": _safety,
    "caption": _caption,
}


def save_graph(
    path: Path,
    nodes: Sequence[Node],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    arrays: Arrays,
    integers: Sequence[str] = (),
) -> None:
    """One ONNX file; inputs and outputs are float32, those named `integers` int64."""

    def ports(named: Sequence[Port]) -> list[onnx.ValueInfoProto]:
        kinds = {name: TensorProto.INT64 if name in integers else TensorProto.FLOAT for name, _ in named}
        return [helper.make_tensor_value_info(name, kinds[name], list(shape)) for name, shape in named]

    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(list(nodes), path.stem, ports(inputs), ports(outputs), stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: object) -> Node:
    return helper.make_node(kind, list(inputs), [output], **attributes)


def _linear(path: Path, draw: np.random.Generator, outputs: int, ending: str, name: str) -> None:
    nodes = [_node("Gemm", ["embedding", "weight"], "raw", transB=1), _node(ending, ["raw"], name)]
    arrays: Arrays = {"weight": draw.normal(0, 0.1, (outputs, EMBEDDING)).astype(np.float32)}
    save_graph(path, nodes, [("embedding", ["n", EMBEDDING])], [(name, ["n", outputs])], arrays)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
