import numpy as np
import pytest

from pellucid.base.errors import DataError
from pellucid.export.recipe import Replay
from pellucid.export.replay import replay_set
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import FeatureFolder

RULE = Replay(view="clean", together=3, layer=5, step=0.5, anonymous=("face",))


def sample(number, label, source, domain, split="train"):
    return Sample(
        id=f"{number:04}", root="made", path=f"{number}.jpg", sha256=f"{number:04}", split=split, source=source, licence="CC0",
        label=label, generator=source if label == "ai" else None, domain=domain, width=8, height=8, format="JPEG", bytes=1,
    )  # fmt: skip


@pytest.fixture
def world(tmp_path):
    """Two kinds of photograph far apart in one source, portraits of both labels, generators of two and of five, one of `val`."""
    kinds = [("real", "camera", "photo")] * 12 + [("real", "portraits", "face")] * 7 + [("ai", "gan", "face")] * 2
    kinds += [("ai", "tiny", "art")] * 2 + [("ai", "mill", "art")] * 5
    samples = [sample(number, *kind) for number, kind in enumerate(kinds)] + [sample(99, "ai", "gan", "art", split="val")]
    tokens = np.random.default_rng(0).normal(size=(len(samples), 12, 768)).astype(np.float16)
    tokens[:6, 5] += 8
    features = FeatureFolder(tmp_path / "features", "any").open()
    features.append("clean", [one.id for one in samples], {"class_tokens": tokens})
    return Dataset(tuple(samples), {"made": str(tmp_path)}), features, tokens[:-1].astype(np.float32)


def restored(found):
    return found["class_tokens"].astype(np.float32) * found["step"] + found["mean"]


def test_nothing_stands_alone_and_too_few_are_left_out(world):
    dataset, features, _ = world
    found = replay_set(dataset, features, RULE, seed=1)
    assert set(found["group"]) == {"camera", "portraits", "mill"}
    faces = found["domain"] == "face"
    assert sorted(found["pictures"][faces]) == [3, 4]
    assert set(found["group"][faces]) == {"portraits"}


def test_what_is_alike_is_put_together(world):
    dataset, features, tokens = world
    found = replay_set(dataset, features, RULE, seed=1)
    camera = found["group"] == "camera"
    assert sorted(found["pictures"][camera]) == [3, 3, 3, 3]
    far = restored(found)[camera][:, 5].mean(axis=1)
    assert (far > 6).sum() == (far < 1).sum() == 2
    assert np.allclose(restored(found)[camera].mean(axis=0), tokens[:12].mean(axis=0), atol=found["step"].max() / 2 + 1e-3)


def test_labels_stay_with_their_rows(world):
    dataset, features, _ = world
    found = replay_set(dataset, features, RULE, seed=1)
    assert found["group"][found["ai"]].tolist() == ["mill"]
    assert found["pictures"][found["ai"]].tolist() == [5]
    assert found["class_tokens"].dtype == np.int8
    assert len({len(found[name]) for name in ("class_tokens", "pictures", "ai", "group", "domain")}) == 1


def test_a_set_of_nothing_says_what_to_change(world):
    dataset, features, _ = world
    with pytest.raises(DataError, match=r"lower \[replay\] together"):
        replay_set(dataset, features, RULE.model_copy(update={"together": 100}), seed=1)
