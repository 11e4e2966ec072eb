"""The captioner's training on made pictures: it learns, starts again where it stopped, and repeats by its seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import FeatureFolder
from pellucid.records.recipe import load_recipe
from pellucid.train.caption import train_caption
from pellucid.train.caption_recipe import CaptionerRecipe
from pellucid.train.caption_reward import CiderReward
from pellucid.train.text import build_vocabulary

ANIMALS = ("dog", "cat", "horse", "bird")
KEY = "made"


def recipe(epochs: int = 10, rewarded: int = 0) -> CaptionerRecipe:
    plan = {"batch": 8, "lr": 5e-3, "weight_decay": 0.0, "warmup_steps": 2, "average": 0.5}
    return CaptionerRecipe.model_validate(
        {
            "kind": "caption", "name": "tiny", "dataset": "none", "seed": 1, "label_smoothing": 0.0,
            "data": {"min_count": 1, "max_words": 8},
            "decoder": {"width": 32, "layers": 1, "heads": 2, "feed_forward": 32, "pool": 7, "dropout": 0.0,
                        "attention_dropout": 0.0, "token_dropout": 0.0},
            "optimiser": {"epochs": epochs, **plan},
            "reward": {"samples": 3, "optimiser": {"epochs": rewarded, **plan} if rewarded else None},
            "decoding": {"beams": 3, "min_words": 2, "max_words": 8, "length_power": 0.7, "never_last": ["a"],
                         "may_repeat": ["a"]},
        }
    )  # fmt: skip


def made(folder: Path, count: int = 32) -> tuple[Dataset, FeatureFolder]:
    """Pictures of four animals whose embedding says which."""
    draw = np.random.default_rng(0)
    samples, embeddings = [], []
    for number in range(count):
        animal = number % len(ANIMALS)
        captions = (f"A {ANIMALS[animal]} runs .", f"A {ANIMALS[animal]} runs on grass")
        split = "val" if number >= count - 8 else "train"
        samples.append(Sample(f"{number:016x}", "made", "-", "-", split, "made", "CC0-1.0", captions=captions))
        embedding = draw.normal(0, 0.1, 512)
        embedding[animal * 100 : animal * 100 + 100] += 1
        embeddings.append(embedding)
    features = FeatureFolder(folder, KEY).open()
    arrays = {"patches": np.zeros((count, 196, 768), np.float16), "embedding": np.float16(embeddings)}
    features.append("caption", [sample.id for sample in samples], arrays)
    return Dataset(tuple(samples), {"made": str(folder)}), features


def test_learns_to_say_which_animal_it_is(tmp_path: Path) -> None:
    out = train_caption(recipe(), *made(tmp_path / "features"), tmp_path / "run")
    assert read_checkpoint(out, "caption").origin.metrics["val_cider_greedy"] > 3


class _PowerCut(Exception):
    pass


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, features = made(tmp_path / "features")
    whole = train_caption(recipe(4), dataset, features, tmp_path / "whole")
    judged = iter(range(2))

    def until_the_third_epoch(*_: object) -> float:
        if next(judged, None) is None:
            raise _PowerCut
        return 0.1

    monkeypatch.setattr("pellucid.train.caption.validate", until_the_third_epoch)
    with pytest.raises(_PowerCut):
        train_caption(recipe(4), dataset, features, tmp_path / "part")
    monkeypatch.undo()
    part = train_caption(recipe(4), dataset, features, tmp_path / "part")
    one, other = read_checkpoint(whole).weights, read_checkpoint(part).weights
    assert all((one[name] == other[name]).all() for name in one)


def test_a_reward_stage_follows_and_keeps_what_was_best(tmp_path: Path) -> None:
    dataset, features = made(tmp_path / "features")
    before = train_caption(recipe(3), dataset, features, tmp_path / "before")
    after = train_caption(recipe(3, rewarded=2), dataset, features, tmp_path / "after")
    first, second = (read_checkpoint(folder).origin.metrics["val_cider_greedy"] for folder in (before, after))
    assert second >= first


def test_refuses_a_run_of_another_recipe(tmp_path: Path) -> None:
    dataset, features = made(tmp_path / "features")
    train_caption(recipe(1), dataset, features, tmp_path / "run")
    with pytest.raises(DataError, match="another recipe"):
        train_caption(recipe(2), dataset, features, tmp_path / "run")


def test_refuses_a_dataset_without_val(tmp_path: Path) -> None:
    dataset, features = made(tmp_path / "features")
    with pytest.raises(DataError, match="train and val"):
        train_caption(recipe(1), dataset.only("train"), features, tmp_path / "run")


def test_the_reward_is_the_metric_over_the_same_words() -> None:
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    references = [
        ["a dog runs on grass", "the dog runs"],
        ["a cat sits on a chair", "one cat"],
        ["two birds fly", "birds in the sky"],
    ]
    candidates = ["a dog on grass", "a cat on a chair", "two birds in the sky"]
    ours = CiderReward([[text.split() for text in texts] for texts in references])
    ended = {row: [f"{text} <end>" for text in texts] for row, texts in enumerate(references)}
    _, theirs = cider.Cider().compute_score(ended, {row: [f"{text} <end>"] for row, text in enumerate(candidates)})
    scores = [ours.score(row, text.split()) for row, text in enumerate(candidates)]
    np.testing.assert_allclose(scores, theirs, rtol=1e-6)


def test_a_vocabulary_holds_what_was_seen_often_enough() -> None:
    vocabulary = build_vocabulary(["A dog .", "a dog", "a cat"], 2, recipe().decoding.decoding())
    assert vocabulary.words[4:] == ("a", "dog")
    assert vocabulary.text(vocabulary.numbers(["a", "cat", "dog"])) == ["a", "dog"]


@pytest.mark.parametrize("name", ["captioner", "captioner-smoke"])
def test_shipped_recipes_can_be_read(repository: Path, name: str) -> None:
    found = load_recipe(repository / "src" / "pellucid" / "defaults" / "recipes" / f"{name}.toml", CaptionerRecipe)
    assert found.name == name
    assert found.decoding.max_words == found.data.max_words
