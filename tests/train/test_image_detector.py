"""Networks on pixels, trained through the shipped smoke recipes on a toy problem: they learn it, go on after a cut, and vote."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from torch import nn

from pellucid.base.errors import ConfigError, DataError
from pellucid.nets.image import CPU, Backbone, ImageDetector, Network, resized
from pellucid.records.bundle import ViewSpec
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import read_dataset
from pellucid.records.heads import Calibration, Thresholds, read_json
from pellucid.records.recipe import load_recipe
from pellucid.runtime.features import open_sample, view_of
from pellucid.runtime.views import to_tensor
from pellucid.train import image_detector
from pellucid.train.distribution import Distribution
from pellucid.train.image_data import load_pictures
from pellucid.train.image_recipe import Augmentation, DistilRecipe, EnsembleRecipe, ImageRecipe
from pellucid.train.image_run import run_image_detector
from pellucid.train.image_start import take_start
from pellucid.train.run import run
from pellucid.train.scores import read_scores
from pellucid.train.workers import Alone
from tests.tiny_bundle import make_tiny_bundle
from tests.toy import toy_dataset

RECIPES = files("pellucid.defaults") / "recipes"
KINDS = {
    "resnet50": ImageRecipe, "resnet50-gpu": ImageRecipe, "resnet50-hub": ImageRecipe, "vit": ImageRecipe,
    "ai-vs-human": ImageRecipe, "resnet50-smoke": ImageRecipe, "vit-smoke": ImageRecipe, "resnet50-distil": DistilRecipe,
    "resnet50-distil-gpu": DistilRecipe, "resnet50-distil-smoke": DistilRecipe, "ensemble": EnsembleRecipe,
}  # fmt: skip
PICTURES = 96
PASSES_OF_AN_EPOCH = 6
"""Of the recipe `short`: five steps and one to score what was held out."""
SMOKE = ("resnet50-distil-smoke", "resnet50-smoke", "vit-smoke")
TINY = Network.model_validate(
    {"architecture": "resnet50", "input_px": 32, "resnet": {"depths": [1], "widths": [16], "stem": 8}, "dropout": 0.2}
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy pictures and an encoder that knows nothing."""
    out = tmp_path_factory.mktemp("runs")
    toy_dataset(out, count=PICTURES)
    make_tiny_bundle(out / "bundle")
    (out / "encoder").mkdir()
    shutil.copyfile(out / "bundle" / "encoder.onnx", out / "encoder" / "encoder.onnx")
    return out


@pytest.fixture(scope="module")
def trained(out: Path) -> dict[str, Path]:
    """Checkpoints of the smoke recipes, made as the command line makes them, the student first."""
    return {name: run(Path(str(RECIPES / f"{name}.toml")), {}, out) for name in SMOKE}


@pytest.fixture
def short() -> ImageRecipe:
    told = load_recipe(Path(str(RECIPES / "resnet50-smoke.toml")), ImageRecipe)
    plan = told.optimiser.model_copy(update={"epochs": 2})
    return told.model_copy(
        update={"name": "short", "network": TINY, "optimiser": plan, "distribution": Distribution(state_steps=3)}
    )


@pytest.mark.parametrize("name", KINDS)
def test_reads_the_shipped_recipe(name: str) -> None:
    assert load_recipe(Path(str(RECIPES / f"{name}.toml")), KINDS[name]).name == name


@pytest.mark.parametrize("name", ["resnet50-smoke", "vit-smoke"])
def test_a_network_learns_what_can_be_learned(trained: dict[str, Path], name: str) -> None:
    folder = trained[name]
    curve = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]
    metrics = read_checkpoint(folder, "image-detector").origin.metrics
    found = metrics["val_auc" if name == "resnet50-smoke" else "one_fold_auc"]
    assert found["clean"] > 0.9
    assert found["augment-1"] > 0.8


def test_a_checkpoint_says_how_it_was_calibrated_and_keeps_the_scores(trained: dict[str, Path]) -> None:
    folder = trained["resnet50-smoke"]
    assert read_checkpoint(folder).origin.metrics["calibrated_on"] == "val"
    assert read_json(folder / "calibration.json", Calibration).prior == 0.1
    assert "photo/small" in read_json(folder / "thresholds.json", Thresholds).slices
    assert len(read_scores(folder)) == PICTURES // 4
    assert not list(folder.glob("state-*"))


def test_the_student_comes_nearer_to_the_encoder_than_chance(trained: dict[str, Path]) -> None:
    metrics = read_checkpoint(trained["resnet50-distil-smoke"], "distil").origin.metrics
    assert metrics["val_cosine"]["embedding"] > 0.3
    assert metrics["val_cosine"]["layer 6"] > 0.3


def test_a_detector_starts_from_the_students_weights(out: Path, trained: dict[str, Path]) -> None:
    told = load_recipe(Path(str(RECIPES / "resnet50-smoke.toml")), ImageRecipe)
    backbone = Backbone(told.network)
    take_start(backbone, told.network, {}, out)
    student = read_checkpoint(trained["resnet50-distil-smoke"]).weights
    assert all(np.array_equal(tensor.numpy(), student[f"backbone.{name}"]) for name, tensor in backbone.state_dict().items())


def test_a_finished_run_is_not_trained_again(out: Path, trained: dict[str, Path]) -> None:
    before = (trained["vit-smoke"] / "checkpoint.json").stat().st_mtime_ns
    run(Path(str(RECIPES / "vit-smoke.toml")), {}, out)
    assert (trained["vit-smoke"] / "checkpoint.json").stat().st_mtime_ns == before


class _PowerCut(Exception):
    pass


class _Failing(Alone):
    """One process, whose machine loses power after some forward passes."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.left = passes

    def wrap(self, model: nn.Module) -> nn.Module:
        model.register_forward_pre_hook(self._count)
        return model

    def _count(self, *_: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise _PowerCut


def test_a_run_that_was_cut_ends_with_the_same_weights(out: Path, short: ImageRecipe) -> None:
    whole = read_checkpoint(run_image_detector(short, {}, out)).weights
    shutil.rmtree(out / "checkpoints" / "short")
    with pytest.raises(_PowerCut):
        run_image_detector(short, {}, out, _Failing(passes=PASSES_OF_AN_EPOCH))
    assert list((out / "checkpoints" / "short").glob("state-*"))
    again = read_checkpoint(run_image_detector(short, {}, out)).weights
    assert whole.keys() == again.keys()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    curve = (out / "checkpoints" / "short" / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in curve] == list(range(short.optimiser.epochs))


@pytest.mark.parametrize("coarse", [False, True])
def test_training_sees_pictures_as_they_are_served(out: Path, coarse: bool) -> None:
    dataset = read_dataset(out / "data" / "detection-data-smoke")
    pictures = load_pictures(dataset, ("clean",), out)
    spec, first = ViewSpec(), dataset.samples[:3]
    served = [to_tensor(view_of(open_sample(dataset, one), "clean", spec, one.id), spec) for one in first]
    whole = pictures.whole(range(3), 48, 0, CPU)
    assert np.allclose(whole.numpy(), resized(torch.from_numpy(np.stack(served)), 48).numpy(), atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16, enabled=coarse):
        changed = pictures.changed(torch.arange(3), torch.zeros(3, dtype=torch.long), Augmentation(flip=False), 48, CPU)
    assert torch.equal(changed, whole)


def test_every_part_is_scored_by_a_network_that_has_not_seen_it(out: Path, short: ImageRecipe) -> None:
    rule = short.calibration.model_copy(update={"by": "folds", "folds": 2, "together": "pictures"})
    plan = short.optimiser.model_copy(update={"epochs": 1})
    folder = run_image_detector(short.model_copy(update={"name": "folds", "calibration": rule, "optimiser": plan}), {}, out)
    assert len(read_scores(folder)) == PICTURES * 3 // 4
    assert read_checkpoint(folder).origin.metrics["calibrated_on"] == "folds"


def test_a_part_without_one_of_the_labels_is_refused_before_training(out: Path, short: ImageRecipe) -> None:
    rule = short.calibration.model_copy(update={"by": "fold", "folds": 2, "together": "source"})
    with pytest.raises(DataError, match="lacks one of the labels"):
        run_image_detector(short.model_copy(update={"name": "one-source", "calibration": rule}), {}, out)


def test_pairs_are_held_out_together(out: Path) -> None:
    from pellucid.records.dataset import read_dataset

    told = load_recipe(Path(str(RECIPES / "vit-smoke.toml")), ImageRecipe)
    samples = read_dataset(out / "data" / "detection-data-smoke").samples
    parts = image_detector.parts_of(samples, told.calibration, seed=0)
    by_group = {sample.group: part for sample, part in zip(samples, parts, strict=True)}
    assert all(by_group[sample.group] == part for sample, part in zip(samples, parts, strict=True))
    assert set(parts) == {0, 1, 2, 3}


def test_an_ensemble_votes_in_calibrated_units(out: Path, trained: dict[str, Path], short: ImageRecipe) -> None:
    second = run_image_detector(short.model_copy(update={"name": "second", "seed": 5}), {}, out)
    (out / "ensemble.toml").write_text(
        (RECIPES / "ensemble.toml").read_text().replace('["detector", "resnet50-gpu"]', '["resnet50-smoke", "second"]')
        .replace('dataset = "detection-data"', 'dataset = "detection-data-smoke"')
    )  # fmt: skip
    found = read_checkpoint(run(out / "ensemble.toml", {}, out), "ensemble")
    assert found.origin.metrics["pictures"] == PICTURES // 4
    own = [read_json(folder / "calibration.json", Calibration) for folder in (trained["resnet50-smoke"], second)]
    assert found.weights["scale"].tolist() == pytest.approx([one.a / 2 for one in own])
    name, logit = next(iter(read_scores(out / "checkpoints" / "ensemble").items()))
    members = [read_scores(folder)[name] for folder in (trained["resnet50-smoke"], second)]
    assert logit == pytest.approx(sum((one.a * score + one.b) / 2 for one, score in zip(own, members, strict=True)))


def test_an_ensemble_of_detectors_that_share_no_pictures_is_refused(out: Path, trained: dict[str, Path]) -> None:
    path = out / "apart.toml"
    path.write_text(
        (RECIPES / "ensemble.toml").read_text().replace('["detector", "resnet50-gpu"]', '["resnet50-smoke", "vit-smoke"]')
        .replace('dataset = "detection-data"', 'dataset = "detection-data-smoke"')
    )  # fmt: skip
    with pytest.raises(DataError, match="share no held-out pictures"):
        run(path, {}, out)


@pytest.mark.parametrize("architecture", ["resnet50", "vit"])
def test_recomputed_activations_give_the_same_gradients_and_statistics(architecture: str) -> None:
    network = Network.model_validate(
        {"architecture": architecture, "input_px": 32, "resnet": {"depths": [1, 1], "widths": [8, 16], "stem": 8},
         "vit": {"width": 16, "layers": 2, "heads": 2, "feed_forward": 32, "patch_px": 8}}
    )  # fmt: skip
    pixels = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = ImageDetector(network, recompute).train()
        model(pixels).sum().backward()
        found.append(model)
    plain, again = found
    assert all(torch.equal(one.grad, other.grad) for one, other in zip(plain.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(one, other) for one, other in zip(plain.buffers(), again.buffers(), strict=True))


def test_a_picture_is_resized_as_torch_resizes_it() -> None:
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.interpolate(pixels, (96, 96), mode="bilinear", antialias=True)
    assert torch.allclose(resized(pixels, 96), expected, atol=1e-5)


def test_a_local_folder_of_pretrained_weights_is_read_and_its_places_are_interpolated(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    told = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "patch_px": 8}
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=64, patch_size=8
    )
    ViTModel(config).save_pretrained(tmp_path / "vit")
    network = Network.model_validate({"architecture": "vit", "input_px": 32, "weights": "weights:vit", "vit": told})
    backbone = Backbone(network)
    take_start(backbone, network, {"weights": tmp_path}, tmp_path)
    assert backbone.body.embeddings.position_embeddings.shape == (1, 17, 16)
    with pytest.raises(ConfigError, match="needs the root 'weights'"):
        take_start(backbone, network, {}, tmp_path)
    wider = Network.model_validate({"architecture": "vit", "input_px": 32, "weights": "weights:vit", "vit": told | {"width": 32}})
    with pytest.raises(DataError, match="no vit of the recipe's shape"):
        take_start(Backbone(wider), wider, {"weights": tmp_path}, tmp_path)


def test_weights_that_cannot_be_had_name_the_other_ways(tmp_path: Path) -> None:
    network = TINY.model_copy(update={"weights": f"weights:{tmp_path.name}-missing"})
    with pytest.raises(DataError, match=r"cannot be had .*checkpoint:NAME"):
        take_start(Backbone(network), network, {"weights": tmp_path.parent}, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"architecture": "vit", "input_px": 50}}, "multiple of its patch_px"),
        ({"network": {"architecture": "vit", "input_px": 64}, "augmentation": {"train_px": 32}}, "trained at its input_px"),
        ({"calibration": {"by": "test", "prior": 0.1}}, "'val', 'fold' or 'folds'"),
    ],
)
def test_refuses_a_recipe_that_cannot_be(change: dict[str, object], message: str) -> None:
    told = load_recipe(Path(str(RECIPES / "vit-smoke.toml")), ImageRecipe).model_dump(mode="json")
    with pytest.raises(ValueError, match=message):
        ImageRecipe.model_validate(told | change)
