"""Any detector checkpoint → `detector.onnx` → `logit` [n]: the embedded head, a network on pixels, or several that vote.

An ensemble is one graph: each member's logit in its own calibrated units, summed. Whoever runs the file need not know.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

from pellucid.base.errors import DataError
from pellucid.base.files import sha256_of
from pellucid.export.detector import export_detector
from pellucid.export.small import IR_VERSION, OPSET
from pellucid.export.variants_run import take_variant
from pellucid.records.checkpoint import Checkpoint, read_checkpoint


def export_judge(name: str, variant: str, out: Path, path: Path) -> None:
    """Write `path` from the checkpoint `name` as `variant`; networks come from `out/variants/NAME`. Raises `DataError`."""
    checkpoint = read_checkpoint(out / "checkpoints" / name)
    match checkpoint.origin.kind:
        case "detector":
            export_detector(checkpoint, path, "float32" if variant == "float32" else "int8")
        case "image-detector":
            shutil.copyfile(_network(name, variant, out), path)
        case "ensemble":
            onnx.save(_ensemble(checkpoint, variant, out), str(path))
        case kind:
            raise DataError(f"{name} holds a {kind} checkpoint; a bundle wants a detector, an image-detector or an ensemble")


def _network(name: str, variant: str, out: Path) -> Path:
    return take_variant(out / "variants" / name, variant, sha256_of(out / "checkpoints" / name / "weights.safetensors"))


def _ensemble(checkpoint: Checkpoint, variant: str, out: Path) -> ModelProto:
    with TemporaryDirectory() as folder:
        members = []
        for number, name in enumerate(checkpoint.origin.recipe["members"]):
            path = Path(folder) / f"{number}.onnx"
            export_judge(name, variant, out, path)
            members.append(onnx.load(str(path)))
    return voted(members, checkpoint.weights["scale"].tolist(), checkpoint.weights["shift"].tolist())


def voted(members: list[ModelProto], scales: list[float], shifts: list[float]) -> ModelProto:
    """One graph whose `logit` is the sum of scale · logit + shift; inputs of one name are one input."""
    parts = [_prefixed(model, f"member{number}/") for number, model in enumerate(members)]
    nodes = [node for part in parts for node in part.graph.node]
    stored = [tensor for part in parts for tensor in part.graph.initializer]
    inputs = {value.name: value for part in parts for value in part.graph.input}
    terms = []
    for number, (part, scale, shift) in enumerate(zip(parts, scales, shifts, strict=True)):
        for kind, number_of in (("scale", scale), ("shift", shift)):
            stored.append(numpy_helper.from_array(np.array(number_of, dtype=np.float32), f"{kind}{number}"))
        nodes.append(helper.make_node("Mul", [part.graph.output[0].name, f"scale{number}"], [f"scaled{number}"]))
        nodes.append(helper.make_node("Add", [f"scaled{number}", f"shift{number}"], [f"term{number}"]))
        terms.append(f"term{number}")
    nodes.append(helper.make_node("Sum", terms, ["logit"]))
    output = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(nodes, "detector", list(inputs.values()), [output], stored)
    model = helper.make_model(graph, opset_imports=list(_domains(members)), ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _prefixed(model: ModelProto, prefix: str) -> ModelProto:
    """Every name of a member apart from the others', its inputs excepted."""
    return compose.add_prefix(model, prefix, rename_inputs=False)


def _domains(members: list[ModelProto]) -> Iterator[onnx.OperatorSetIdProto]:
    used = {node.domain for model in members for node in model.graph.node}
    versions = {entry.domain: entry.version for model in members for entry in model.opset_import}
    for domain in sorted(used | {""}):
        yield helper.make_opsetid(domain, OPSET if domain == "" else versions[domain])
