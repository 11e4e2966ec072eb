"""From a network's checkpoint to what is served: parity of every variant, refusals, votes, and a bundle that reads pixels."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="export needs the extra `train`")

import onnx
import onnx.version_converter
import torch
from pydantic import ValidationError

from pellucid.base.errors import BundleError, ConfigError, DataError
from pellucid.base.files import sha256_of
from pellucid.export.compare import relative_error
from pellucid.export.image import export_network, torch_logits
from pellucid.export.judge import export_judge, voted
from pellucid.export.recipe import BundleRecipe, VariantsRecipe
from pellucid.export.run import run
from pellucid.export.variants_run import take_variant
from pellucid.nets.image import ImageDetector, Network
from pellucid.records.bundle import BundleHead, read_bundle, write_bundle
from pellucid.records.bundle import Origin as FileOrigin
from pellucid.records.checkpoint import Checkpoint, Origin, write_checkpoint
from pellucid.records.dataset import read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.records.recipe import load_recipe
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample
from pellucid.runtime.session import open_session
from pellucid.runtime.views import detection_view, to_tensor
from tests.tiny_bundle import make_tiny_bundle
from tests.toy import toy_dataset

RECIPES = files("pellucid.defaults") / "recipes"
NETWORKS = {
    "resnet50": {"input_px": 32, "resnet": {"depths": [1, 1], "widths": [16, 32], "stem": 8}},
    "vit": {"input_px": 32, "vit": {"width": 32, "layers": 2, "heads": 2, "feed_forward": 64, "patch_px": 8}},
}
VARIANTS = """
kind = "variants"
name = "{name}"
checkpoint = "{name}"
dataset = "toy"
pictures = 12
calibration = 8
timed = 2

[variants]
{variants}
"""


def checkpoint_of(name: str, seed: int = 0) -> Checkpoint:
    """A network that knows nothing, with statistics of normalisation that are not those it was made with."""
    told = {"architecture": name, **NETWORKS[name]}
    torch.manual_seed(seed)
    model = ImageDetector(Network.model_validate(told)).train()
    with torch.no_grad():
        for _ in range(5):
            model(torch.randn(8, 3, 32, 32))
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return Checkpoint(Origin("image-detector", {"network": told}, "none", "none", "none"), weights)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    toy_dataset(out, "toy", count=48)
    for name in NETWORKS:
        write_checkpoint(checkpoint_of(name), out / "checkpoints" / name)
    return out


def variants(out: Path, name: str, **tolerances: float) -> Path:
    path = out / f"{name}.toml"
    lines = "\n".join(f"{variant.replace('_', '-')} = {allowed}" for variant, allowed in tolerances.items())
    path.write_text(VARIANTS.format(name=name, variants=lines))
    return run(path, {}, out)


@pytest.fixture(scope="module")
def made(out: Path) -> dict[str, Path]:
    return {
        "resnet50": variants(out, "resnet50", float32=1e-3, bf16=0.1, int8=0.6),
        "vit": variants(out, "vit", float32=1e-3, bf16=0.1, int8_smooth=0.8),
    }


@pytest.mark.parametrize("name", ["resnet50-variants", "vit-variants", "encoder-variants"])
def test_reads_the_shipped_recipe(name: str) -> None:
    assert load_recipe(Path(str(RECIPES / f"{name}.toml")), VariantsRecipe).variants["float32"] == 0.001


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("bundle-resnet50", {"name", "detector"}),
        ("bundle-heads", {"caption", "keep", "uses", "licences", "sources"}),
    ],
)
def test_bundle_recipes_differ_only_in_what_they_are_for(name: str, fields: set[str]) -> None:
    one, other = (
        load_recipe(Path(str(RECIPES / f"{each}.toml")), BundleRecipe).model_dump() for each in ("bundle-detector", name)
    )
    assert {key for key in one if one[key] != other[key]} == fields


@pytest.mark.parametrize("change", [{"domain": None}, {"dream": "any"}])
def test_a_bundle_recipe_says_of_every_part_and_of_nothing_else_what_it_may_be_used_for(change: dict[str, str | None]) -> None:
    recipe = load_recipe(Path(str(RECIPES / "bundle.toml")), BundleRecipe).model_dump()
    recipe["uses"] = {part: use for part, use in (recipe["uses"] | change).items() if use}
    with pytest.raises(ValidationError, match="say it of each of encoder, detector, domain, tags, caption, safety, replay"):
        BundleRecipe.model_validate(recipe)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_agrees_with_torch_alone_and_in_a_batch(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoint_of(name)
    export_network(checkpoint, tmp_path / "network.onnx")
    pixels = np.random.default_rng(0).normal(size=(3, 3, 224, 224)).astype(np.float32)
    session = open_session(tmp_path / "network.onnx", "onnxruntime", 1)
    expected = torch_logits(checkpoint, pixels)
    assert session.run({"pixels": pixels})["logit"] == pytest.approx(expected, abs=1e-4)
    assert session.run({"pixels": pixels[:1]})["logit"] == pytest.approx(expected[:1], abs=1e-4)
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(str(tmp_path / "network.onnx")).graph.node}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_variant_is_in_the_table_with_error_auc_size_and_speed(made: dict[str, Path], name: str) -> None:
    found = json.loads((made[name] / "variants.json").read_text())
    rows = found["variants"]
    assert found["pictures"] == 12
    assert rows["float32"]["error"] < 1e-4 < rows["bf16"]["error"]
    assert rows["bf16"]["bytes"] < 0.75 * rows["float32"]["bytes"]
    assert all(row["auc"] is not None and set(row["ms"]) == {"onnxruntime", "openvino"} for row in rows.values())
    table = (made[name] / "variants.md").read_text()
    assert all(f"| {variant} |" in table for variant in rows)


def test_int8_weights_are_stored_in_int8(made: dict[str, Path]) -> None:
    stored = onnx.load(str(made["resnet50"] / "int8.onnx")).graph.initializer
    kernels = [tensor for tensor in stored if len(tensor.dims) == 4]
    assert kernels
    assert all(tensor.data_type == onnx.TensorProto.INT8 for tensor in kernels)


def test_a_variant_that_is_off_is_in_the_table_but_refused(out: Path, made: dict[str, Path]) -> None:
    write_checkpoint(checkpoint_of("vit", seed=3), out / "checkpoints" / "off")
    path = out / "off.toml"
    path.write_text(VARIANTS.format(name="off", variants="float32 = 0.001\nbf16 = 0.000001"))
    with pytest.raises(BundleError, match=r"bf16 of .* differ more"):
        run(path, {}, out)
    folder = out / "variants" / "off"
    assert "**refused**" in (folder / "variants.md").read_text()
    key = sha256_of(out / "checkpoints" / "off" / "weights.safetensors")
    assert take_variant(folder, "float32", key) == folder / "float32.onnx"
    with pytest.raises(DataError, match="no usable variant 'bf16'; usable are: float32"):
        take_variant(folder, "bf16", key)


def test_variants_of_other_weights_are_not_taken(made: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="made from other weights"):
        take_variant(made["vit"], "float32", "0" * 64)


def test_a_test_split_is_not_looked_at(out: Path) -> None:
    path = out / "test.toml"
    path.write_text(
        VARIANTS.format(name="vit", variants="float32 = 1").replace('dataset = "toy"', 'dataset = "toy"\nsplit = "test"')
    )
    with pytest.raises(ConfigError, match="reserved for the final evaluation"):
        run(path, {}, out)


def test_the_error_is_in_units_of_the_references_spread() -> None:
    reference = np.float32([0, 1, 2, 3])
    assert relative_error(reference, reference) == 0
    assert relative_error(np.full(4, 1.5, np.float32), reference) == pytest.approx(1)


def test_networks_and_the_embedded_head_vote_in_one_graph(out: Path, made: dict[str, Path], tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    paths = [tmp_path / "bundle" / "detector.onnx", made["vit"] / "int8-smooth.onnx", made["resnet50"] / "int8.onnx"]
    head = onnx.version_converter.convert_version(onnx.load(str(paths[0])), 20)
    members = [head, *(onnx.load(str(path)) for path in paths[1:])]
    onnx.save(voted(members, [0.5, 2.0, 1.0], [0.1, -0.3, 0.0]), str(tmp_path / "detector.onnx"))
    session = open_session(tmp_path / "detector.onnx", "onnxruntime", 1)
    draw = np.random.default_rng(0)
    given = {
        "class_tokens": draw.normal(size=(2, 12, 768)).astype(np.float32),
        "pixels": draw.normal(size=(2, 3, 224, 224)).astype(np.float32),
    }
    assert set(session.inputs) == set(given)
    own = [open_session(path, "onnxruntime", 1) for path in paths]
    logits = [one.run({name: given[name] for name in one.inputs})["logit"] for one in own]
    expected = 0.5 * logits[0] + 0.1 + 2.0 * logits[1] - 0.3 + logits[2]
    assert session.run(given)["logit"] == pytest.approx(expected, abs=1e-3)


def test_an_ensemble_is_exported_with_its_scales(out: Path, made: dict[str, Path], tmp_path: Path) -> None:
    origin = Origin("ensemble", {"members": ["vit", "resnet50"]}, "none", "none", "none")
    write_checkpoint(
        Checkpoint(origin, {"scale": np.array([0.5, 0.25]), "shift": np.array([0.0, 1.0])}), out / "checkpoints" / "both"
    )
    export_judge("both", "float32", out, tmp_path / "detector.onnx")
    pixels = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    found = open_session(tmp_path / "detector.onnx", "onnxruntime", 1).run({"pixels": pixels})["logit"]
    vit, resnet = (torch_logits(checkpoint_of(name), pixels) for name in ("vit", "resnet50"))
    assert found == pytest.approx(0.5 * vit + 0.25 * resnet + 1.0, abs=1e-3)


def test_what_is_no_detector_is_not_exported_as_one(out: Path, tmp_path: Path) -> None:
    write_checkpoint(Checkpoint(Origin("distil", {}, "none", "none", "none"), {}), out / "checkpoints" / "student")
    with pytest.raises(DataError, match="holds a distil checkpoint"):
        export_judge("student", "int8", out, tmp_path / "detector.onnx")


@pytest.fixture(scope="module")
def bundle(out: Path, made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    """A tiny bundle whose detector is the ResNet in int8."""
    folder = tmp_path_factory.mktemp("bundle")
    head = make_tiny_bundle(folder)
    export_judge("resnet50", "int8", out, folder / "detector.onnx")
    (folder / "bundle.json").unlink()
    known = BundleHead.model_validate({name: getattr(head, name) for name in BundleHead.model_fields})
    write_bundle(
        folder, known, {name: FileOrigin(licence="Apache-2.0", source="a test") for name in head.files if "/" not in name}
    )
    assert read_bundle(folder).sizes["detector.onnx"] > 0
    return LoadedBundle.open(folder, threads=1, back_end="onnxruntime")


def test_a_bundle_that_reads_pixels_is_judged_in_evaluation_as_it_is_served(out: Path, bundle: LoadedBundle) -> None:
    pytest.importorskip("sklearn")
    from pellucid.evaluate.judge import judge_split

    val = read_dataset(out / "data" / "toy").only("val")
    features = FeatureFolder(out / "features", "tiny").open()
    judged = judge_split(bundle, val, features, "clean")
    views = [to_tensor(detection_view(open_sample(val, sample), bundle.head.views), bundle.head.views) for sample in val.samples]
    served = [float(bundle.detect(bundle.encode(view[None]))[0]) for view in views]
    expected = 1 / (1 + np.exp(-np.array(served)))
    assert judged.probability == pytest.approx(expected, abs=1e-4)
    assert len(set(served)) > 1
    assert (out / "views").exists()


def test_the_service_answers_with_a_bundle_that_reads_pixels(out: Path, bundle: LoadedBundle) -> None:
    from pellucid.analyse.analyser import Analyser
    from pellucid.analyse.moderation import load_policy

    val = read_dataset(out / "data" / "toy").only("val")
    analyser = Analyser(bundle, load_policy())
    try:
        report = analyser.analyse(val.file(val.samples[0]).read_bytes()).report
    finally:
        analyser.close()
    view = to_tensor(detection_view(open_sample(val, val.samples[0]), bundle.head.views), bundle.head.views)
    expected = 1 / (1 + np.exp(-float(bundle.detect(bundle.encode(view[None]))[0])))
    assert report.inference is not None
    assert report.inference.probability == pytest.approx(expected, abs=1e-4)


def test_a_part_of_another_encoder_is_refused_and_views_are_a_key_of_their_own(bundle: LoadedBundle) -> None:
    from pellucid.export.bundle import _check_keys

    network = checkpoint_of("vit")
    both = Checkpoint(Origin("ensemble", {}, "none", "none", "encoder-key+view-key"), {})
    of_views = Checkpoint(Origin("image-detector", {}, "none", "none", "view-key"), {})
    _check_keys({"detector": of_views}, "encoder-key", "view-key")
    _check_keys({"detector": both}, "encoder-key", "view-key")
    with pytest.raises(DataError, match="was trained on features none"):
        _check_keys({"detector": network}, "encoder-key", "view-key")
