"""A caption checkpoint → `caption.onnx` (int8 weights) and `vocabulary.json`, as `runtime/caption.py` reads them.

Inputs   patches [1, 196, 768] · embedding [1, 512] · words [b] · position [1] · cross, past: empty in the first call, then
         cross_out as it came and past_out with its sentences in the order of `words`
Outputs  log_probs [b, v] · cross_out [layers, 2, 1, m, width] · past_out [layers, 2, b, t + 1, width]

One file holds both halves: an `If` reads the picture where `cross` is empty, and hands `cross` on where it is not.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from pellucid.nets.caption import CaptionDecoder, DecoderShape, pool_patches
from pellucid.records.checkpoint import read_checkpoint
from pellucid.runtime.vocabulary import read_vocabulary

OPSET = 17


class _Look(nn.Module):
    def __init__(self, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, patches: Tensor, embedding: Tensor) -> Tensor:
        return self.decoder.memory(pool_patches(patches, self.decoder.shape.pool), embedding)


class _Step(nn.Module):
    def __init__(self, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, words: Tensor, position: Tensor, past: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
        return self.decoder.step(words, position, past, cross)


def export_caption(checkpoint: Path, folder: Path, reference: Path | None = None) -> None:
    """Write `caption.onnx` and `vocabulary.json` into `folder`. Raises `DataError` for a checkpoint of another kind.

    In `reference` the same decoder is left in float32, to be compared with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = caption_model(load_decoder(checkpoint))
    if reference:
        onnx.save(model, str(reference / "caption.onnx"))
    write_quantised(model, folder / "caption.onnx")
    shutil.copyfile(checkpoint / "vocabulary.json", folder / "vocabulary.json")


def load_decoder(checkpoint: Path) -> CaptionDecoder:
    """The decoder of a checkpoint folder, in evaluation mode."""
    found = read_checkpoint(checkpoint, "caption")
    words = len(read_vocabulary(checkpoint / "vocabulary.json").words)
    decoder = CaptionDecoder(shape_of(found.origin.recipe, words))
    decoder.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in found.weights.items()})
    return decoder.eval()


def shape_of(recipe: dict[str, Any], words: int) -> DecoderShape:
    """A decoder's shape from the resolved recipe that a checkpoint keeps."""
    of = recipe["decoder"]
    return DecoderShape(
        words, of["width"], of["layers"], of["heads"], of["feed_forward"], recipe["data"]["max_words"], of["pool"]
    )


def write_quantised(model: onnx.ModelProto, path: Path) -> None:
    """Weights int8 a channel, activations int8 as they come: a quarter of the bytes, and half the time of float arithmetic."""
    quantize_dynamic(
        model, str(path), per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"],
        extra_options={"EnableSubgraph": True},
    )  # fmt: skip


def caption_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The decoder as one float32 graph."""
    shape = decoder.shape
    patches, embedding = torch.zeros(1, 196, shape.patch_width), torch.zeros(1, shape.embedding_width)
    cross = decoder.memory(pool_patches(patches, shape.pool), embedding).detach()
    words, position = torch.full((2,), 5), torch.tensor([3])
    past = torch.zeros(shape.layers, 2, 2, 3, shape.width)
    look = _trace(_Look(decoder), (patches, embedding), ["patches", "embedding"], ["cross_seen"], {})
    grows = {"words": {0: "b"}, "past": {2: "b", 3: "t"}}
    step = _trace(
        _Step(decoder), (words, position, past, cross), ["words", "position", "past", "cross"], ["log_probs", "past_out"], grows
    )
    return _joined(look, step, shape)


def _trace(
    module: nn.Module, inputs: tuple[Tensor, ...], names: list[str], outputs: list[str], axes: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "traced.onnx"
        torch.onnx.export(
            module.eval(), inputs, str(path), input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=OPSET,
            dynamo=False,
        )  # fmt: skip
        return onnx.load(str(path))


def _joined(look: onnx.ModelProto, step: onnx.ModelProto, shape: DecoderShape) -> onnx.ModelProto:
    """The step's graph, fed by an `If`: the look's graph where `cross` is empty, `cross` and `past` themselves elsewhere."""
    look = compose.add_prefix(look, "look/", rename_inputs=False, rename_outputs=False)
    step = compose.add_prefix(step, "step/", rename_inputs=False, rename_outputs=False)
    for node in step.graph.node:
        for place, name in enumerate(node.input):
            if name in ("cross", "past"):
                node.input[place] = f"{name}_now"
    free = helper.make_tensor_value_info
    empty = numpy_helper.from_array(torch.zeros(shape.layers, 2, 1, 0, shape.width).numpy(), "past_empty")
    first = helper.make_graph(
        [*look.graph.node, helper.make_node("Identity", ["past_empty"], ["past_none"])], "first", [],
        [free("cross_seen", TensorProto.FLOAT, [None] * 5), free("past_none", TensorProto.FLOAT, [None] * 5)],
    )  # fmt: skip
    further = helper.make_graph(
        [helper.make_node("Identity", ["cross"], ["cross_kept"]), helper.make_node("Identity", ["past"], ["past_kept"])],
        "further", [],
        [free("cross_kept", TensorProto.FLOAT, [None] * 5), free("past_kept", TensorProto.FLOAT, [None] * 5)],
    )  # fmt: skip
    nodes = [
        helper.make_node("Size", ["cross"], ["cross_size"]),
        helper.make_node("Equal", ["cross_size", "zero"], ["is_first"]),
        helper.make_node("If", ["is_first"], ["cross_out", "past_now"], then_branch=first, else_branch=further),
        helper.make_node("Identity", ["cross_out"], ["cross_now"]),
        *step.graph.node,
    ]
    zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
    inputs = [
        free("patches", TensorProto.FLOAT, [1, 196, shape.patch_width]),
        free("embedding", TensorProto.FLOAT, [1, shape.embedding_width]),
        free("words", TensorProto.INT64, ["b"]), free("position", TensorProto.INT64, [1]),
        free("cross", TensorProto.FLOAT, [None] * 5), free("past", TensorProto.FLOAT, [None] * 5),
    ]  # fmt: skip
    outputs = [
        free("log_probs", TensorProto.FLOAT, ["b", shape.words]), free("cross_out", TensorProto.FLOAT, [None] * 5),
        free("past_out", TensorProto.FLOAT, [None] * 5),
    ]  # fmt: skip
    stored = [*look.graph.initializer, *step.graph.initializer, empty, zero]
    graph = helper.make_graph(nodes, "caption", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model
