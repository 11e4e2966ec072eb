"""A world small enough to train, export and evaluate candidates in seconds: two labels, two formats, one encoder that sees both.

AI pictures are a little redder than real ones; that can be learned, not perfectly. A file saved as lossy WebP loses its grain;
that can be learned perfectly and says nothing, since both labels come in both formats, unless training data pairs them up.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from pellucid.evaluate.run import run as evaluate
from pellucid.export.detector import export_detector
from pellucid.records.bundle import BundleHead, Calibration, Origin, ViewSpec, write_bundle
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.train.run import run as train
from tests.pictures import saved
from tests.tiny_bundle import EMBEDDING, LAYERS, WIDTH, make_tiny_bundle, save_graph

SIDE_PX = 96
TRAINED, TESTED = 240, 240
GENERATORS, SOURCES = ("redder", "reddest"), ("camera", "phone")

DETECTOR = """
kind = "detector"
name = "{name}"
dataset = "{dataset}"
seed = 1
label_smoothing = 0.02

[data]
views = ["clean"]
splits = ["train"]

[head]
parts = ["class_tokens"]
layers = [1, 6, 12]
width = 8
hidden = 16
dropout = 0.1
layer_dropout = 0.0
members = 1

[optimiser]
epochs = 8
batch = 32
lr = 3e-3
weight_decay = 0.05
warmup_steps = 5
average = 0.9

[calibration]
folds = 2
prior = 0.1

[verdict]
budget_per_10000 = 200
near_below = 0.0
near_above = 0.0
reencodings = ["jpeg60"]
"""

EVALUATION = """
kind = "evaluation"
name = "{name}"
bundle = "{name}"

[detection]
dataset = "made"
splits = ["test_unseen"]
tiers = ["clean"]
bootstrap_rounds = 20

[parity]
dataset = "made"
split = "test_unseen"
pictures = 120
"""


@dataclass(frozen=True)
class World:
    """`out` as the stages know it: data, an encoder, features that all candidates share, since they share their pictures."""

    out: Path
    data: Dataset

    def candidate(self, name: str, change: Callable[[Sequence[Sample]], Sequence[Sample]] | None = None) -> Path:
        """Train on the data, changed or not, export and evaluate; the evaluation record."""
        dataset = "made"
        if change:
            dataset = f"made-{name}"
            write_dataset(replace(self.data, samples=tuple(change(self.data.samples))), self.out / "data" / dataset)
        recipe = self.out / f"{name}.toml"
        recipe.write_text(DETECTOR.format(name=name, dataset=dataset))
        train(recipe, {}, self.out)
        export(self.out, name)
        return self.evaluated(name)

    def evaluated(self, name: str) -> Path:
        recipe = self.out / f"evaluation-{name}.toml"
        recipe.write_text(EVALUATION.format(name=name))
        return evaluate(recipe, {}, self.out, final=True) / "evaluation.json"

    def copy(self, of: str, name: str) -> Path:
        """The bundle of another candidate under a name of its own, to be damaged; call `seal` afterwards."""
        shutil.copytree(self.out / "bundles" / of, self.out / "bundles" / name)
        shutil.copytree(self.out / "float32" / of, self.out / "float32" / name)
        return self.out / "bundles" / name


def make_world(out: Path) -> World:
    pictures = out / "pictures"
    pictures.mkdir(parents=True)
    splits = ["train"] * TRAINED + ["test_unseen"] * TESTED
    samples = [_sample(number, split, pictures) for number, split in enumerate(splits)]
    data = Dataset(tuple(samples), {"made": str(pictures)})
    write_dataset(data, out / "data" / "made")
    (out / "encoder").mkdir()
    _encoder(out / "encoder" / "encoder.onnx")
    return World(out, data)


def export(out: Path, name: str) -> None:
    """The trained head by the real exporter, beside tiny tags and domains; the float32 head where the real one lies."""
    folder, checkpoint = out / "bundles" / name, out / "checkpoints" / name
    make_tiny_bundle(folder, without=("safety", "caption"))
    shutil.copyfile(out / "encoder" / "encoder.onnx", folder / "encoder.onnx")
    for file in ("calibration.json", "thresholds.json"):
        shutil.copyfile(checkpoint / file, folder / file)
    trained = read_checkpoint(checkpoint, "detector")
    export_detector(trained, folder / "detector.onnx")
    (out / "float32" / name).mkdir(parents=True, exist_ok=True)
    export_detector(trained, out / "float32" / name / "detector.onnx", "float32")
    seal(folder, name, {"detector": name}, {"detector": trained.origin.dataset})


def seal(folder: Path, name: str, recipe: dict[str, str] | None = None, data: dict[str, str] | None = None) -> None:
    """Write `bundle.json` for the files as they are now, as whoever made them would have."""
    before = json.loads((folder / "bundle.json").read_text())
    head = BundleHead(
        name=name, recipe=recipe or before["recipe"], git_commit="0" * 40, data=data or before["data"],
        parts=before["parts"], views=ViewSpec(),
    )  # fmt: skip
    (folder / "bundle.json").unlink()
    names = [path.name for path in folder.iterdir() if path.is_file()]
    write_bundle(folder, head, {file: Origin(licence="Apache-2.0", source="made by a test") for file in names})


# What can go wrong


def with_noisy_labels(samples: Sequence[Sample]) -> list[Sample]:
    """45 % of the training labels are the wrong way round."""
    draw = random.Random(0)
    other = {"ai": "real", "real": "ai"}
    return [
        replace(one, label=other[one.label or ""], generator="redder", source="camera")
        if one.split == "train" and draw.random() < 0.45
        else one
        for one in samples
    ]


def with_leaked_tests(samples: Sequence[Sample]) -> list[Sample]:
    """A quarter of the tested pictures under another name of the file, in `train`."""
    leaked = [replace(one, id=f"again-{one.id}", split="train") for one in samples if one.split == "test_unseen"]
    return [*samples, *leaked[::4]]


def with_a_format_for_a_label(samples: Sequence[Sample]) -> list[Sample]:
    """AI pictures as WebP only, real ones as PNG only: what collecting from two places does by itself."""
    return [one for one in samples if one.split != "train" or (one.label == "ai") == (one.format == "WEBP")]


def miscalibrate(folder: Path) -> None:
    """Calibration fitted with the prior the wrong way round: right order, wrong numbers."""
    found = Calibration.model_validate_json((folder / "calibration.json").read_text())
    wrong = found.model_copy(update={"b": found.b + 5.0, "prior": 0.9})
    (folder / "calibration.json").write_text(wrong.model_dump_json())


def damage_int8(folder: Path) -> None:
    """Scales half of what they should be, without saturation: what does not fit into eight bits wraps around."""
    path = folder / "detector.onnx"
    model = onnx.load(path)
    scales = {node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for tensor in model.graph.initializer:
        stored = numpy_helper.to_array(tensor)
        if stored.dtype == np.int8:
            tensor.CopyFrom(numpy_helper.from_array((2 * stored.astype(np.int64)).astype(np.int8), tensor.name))
        elif tensor.name in scales:
            tensor.CopyFrom(numpy_helper.from_array(stored / 2, tensor.name))
    onnx.save(model, path)


# Pictures and what looks at them


def _sample(number: int, split: str, pictures: Path) -> Sample:
    """Label, format, and source or generator take turns, so that each comes with each."""
    ai, webp, second = bool(number & 1), bool(number & 2), bool(number & 4)
    content = _picture(number, ai, webp, second)
    kind = "WEBP" if webp else "PNG"
    name = f"{number:016x}"
    (pictures / f"{name}.{kind.lower()}").write_bytes(content)
    return Sample(
        id=name, root="made", path=f"{name}.{kind.lower()}", sha256=f"{name:0>64}", split=split, source=SOURCES[second],
        licence="CC0", label="ai" if ai else "real", generator=GENERATORS[second] if ai else None, width=SIDE_PX,
        height=SIDE_PX, format=kind, bytes=len(content),
    )  # fmt: skip


def _picture(seed: int, ai: bool, webp: bool, second: bool) -> bytes:
    draw = np.random.default_rng(seed)
    down = np.linspace(-1, 1, SIDE_PX)[:, None, None]
    pixels_hwc = np.full((SIDE_PX, SIDE_PX, 3), draw.uniform(100, 150)) + down * draw.uniform(-25, 25)
    redness = draw.normal((14 + 3 * second) if ai else 0, 5)
    pixels_hwc = pixels_hwc + np.array([redness, 0, -redness])
    grain = draw.normal(0, 14, (SIDE_PX // 2, SIDE_PX // 2, 1)).repeat(2, axis=0).repeat(2, axis=1)
    image = Image.fromarray(np.clip(pixels_hwc + grain, 0, 255).astype(np.uint8))
    return saved(image, "WEBP", quality=5) if webp else saved(image, "PNG")


def _encoder(path: Path) -> None:
    """Means of patches and how rough they are, mixed at random into as many numbers as the real encoder gives."""
    draw = np.random.default_rng(5)
    arrays = {
        "mix": (draw.normal(0, 1, (6, WIDTH)) * np.array([[1, 1, 1, 8, 8, 8]]).T).astype(np.float32),
        "by_layer": draw.uniform(0.5, 1.5, (1, LAYERS, WIDTH)).astype(np.float32),
        "tokens": np.array([0, 6, 196], dtype=np.int64), "first": np.array([0], dtype=np.int64),
        "last": np.array([EMBEDDING], dtype=np.int64), "axis": np.array([1], dtype=np.int64),
    }  # fmt: skip

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], **attributes)

    nodes = [
        node("AveragePool", ["pixels"], "smooth", kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2]),
        node("Sub", ["pixels", "smooth"], "rest"), node("Abs", ["rest"], "rough"),
        node("Concat", ["pixels", "rough"], "seen", axis=1),
        node("AveragePool", ["seen"], "pooled", kernel_shape=[16, 16], strides=[16, 16]),
        node("Reshape", ["pooled", "tokens"], "columns"), node("Transpose", ["columns"], "rows", perm=[0, 2, 1]),
        node("MatMul", ["rows", "mix"], "patches"), node("ReduceMean", ["patches"], "mean", axes=[1], keepdims=1),
        node("Mul", ["mean", "by_layer"], "class_tokens"), node("Identity", ["class_tokens"], "patch_mean"),
        node("Identity", ["class_tokens"], "patch_std"),
        node("ReduceMean", ["class_tokens"], "whole", axes=[1], keepdims=0),
        node("Slice", ["whole", "first", "last", "axis"], "embedding"),
    ]  # fmt: skip
    layered = [(name, ["n", LAYERS, WIDTH]) for name in ("class_tokens", "patch_mean", "patch_std")]
    outputs = [*layered, ("patches", ["n", 196, WIDTH]), ("embedding", ["n", EMBEDDING])]
    save_graph(path, nodes, [("pixels", ["n", 3, 224, 224])], outputs, arrays)
