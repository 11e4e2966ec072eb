import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from pellucid.train.detector import Examples, logits_of, out_of_fold, train_ensemble
from pellucid.train.detector_recipe import DetectorRecipe
from pellucid.train.measure import auc

RECIPE = DetectorRecipe.model_validate(
    {
        "kind": "detector", "name": "tiny", "dataset": "none", "seed": 3, "label_smoothing": 0.02,
        "data": {"views": ["clean"], "splits": ["train"]},
        "head": {"parts": ["class_tokens"], "layers": [4, 12], "width": 4, "hidden": 8, "dropout": 0.1, "layer_dropout": 0.1,
                 "members": 2},
        "optimiser": {"epochs": 12, "batch": 32, "lr": 3e-3, "weight_decay": 0.01, "warmup_steps": 5, "average": 0.9},
        "calibration": {"folds": 2, "prior": 0.1},
        "verdict": {"budget_per_10000": 100, "near_below": 1, "near_above": 1, "reencodings": ["jpeg60"]},
    }
)  # fmt: skip


def examples(count=480, shares=None):
    """AI pictures differ from real ones along one direction of layer 4 only; `shares` says how much of a view there is."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 2 == 0
    tokens = draw.normal(size=(count, 12, 768)).astype(np.float16)
    tokens[labels, 3, :200] += 1.0
    groups = tuple(f"{'ai' if label else 'real'}:{row % 6 // 2}" for row, label in enumerate(labels))
    rows = {view: np.flatnonzero(draw.random(count) < share) for view, share in (shares or {"clean": 1.0}).items()}
    views = {view: {"class_tokens": tokens[found]} for view, found in rows.items()}
    return Examples(tuple(rows), rows, views, labels, groups, ("photo",) * count)


def test_learns_what_can_be_learned_also_out_of_fold():
    found = examples()
    assert auc(found.labels, out_of_fold(found, RECIPE)["clean"]) > 0.95


def test_a_view_may_be_made_of_a_share_of_the_pictures():
    found = examples(shares={"clean": 1.0, "web": 0.3})
    scores = out_of_fold(found, RECIPE)
    assert not np.isnan(scores["clean"]).any()
    assert np.flatnonzero(~np.isnan(scores["web"])).tolist() == found.rows["web"].tolist()
    assert auc(found.labels, scores["web"]) > 0.95


def test_rows_left_out_take_their_views_with_them():
    found = examples(shares={"clean": 1.0, "web": 0.3})
    wanted = np.arange(480) % 3 == 0
    kept = found.only(wanted)
    assert (np.flatnonzero(wanted)[kept.rows["web"]] == found.rows["web"][found.rows["web"] % 3 == 0]).all()
    assert len(kept.tokens["web"]["class_tokens"]) == len(kept.rows["web"])


def test_the_same_seed_gives_the_same_weights():
    one, other = (train_ensemble(examples(), RECIPE, show=False).state_dict() for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)


def test_exported_head_agrees_with_torch(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    from pellucid.export.detector import export_detector
    from pellucid.records.checkpoint import Checkpoint, Origin

    found = examples()
    ensemble = train_ensemble(found, RECIPE, show=False)
    arrays = {name: tensor.detach().numpy() for name, tensor in ensemble.state_dict().items()}
    origin = Origin("detector", RECIPE.model_dump(mode="json"), "none", "none", "none", {})
    export_detector(Checkpoint(origin, arrays), tmp_path / "detector.onnx")
    session = ort.InferenceSession(str(tmp_path / "detector.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logit"], {"class_tokens": found.tokens["clean"]["class_tokens"].astype(np.float32)})
    expected = logits_of(ensemble, found.tokens["clean"])
    assert np.abs(logits - expected).max() < 0.15
    assert np.corrcoef(logits, expected)[0, 1] > 0.999
