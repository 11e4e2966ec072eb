"""Captions name tags by a fixed rule; heads learn them, and thresholds keep what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("torch", reason="needs the train extra (torch)")

from pellucid.base.errors import ConfigError, DataError
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.features import FeatureFolder
from pellucid.records.heads import TagSet, read_json
from pellucid.records.recipe import load_recipe
from pellucid.train.tags import Labelled, platt, read_vectors, run_tags, targets_of, threshold_for
from pellucid.train.tags_recipe import Shown, TagsRecipe, Targets
from pellucid.train.tags_words import mentions, singular

pytestmark = pytest.mark.train
FORMS = {"dog": ("dog", "puppy"), "man": ("man", "men"), "bus": ("bus",), "dirt bike": ("dirt bike",), "red": ("red",)}
SHOWN = Shown(min_precision=0.6, fewest=5, at_most=12)


def test_plurals_count_as_singulars_and_phrases_as_phrases() -> None:
    captions = [["Two puppies and a man .", "A dog runs ."], ["Men on dirt bikes", "Buses in Redding"], []]
    assert mentions(captions, FORMS).tolist() == [[2, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("pair", ["glasses glass", "ladies lady", "dogs dog", "grass grass", "cats cats"])
def test_a_word_is_cut_only_to_a_word_that_is_looked_for(pair: str) -> None:
    word, wanted = pair.split()
    assert singular(word, frozenset({"glass", "lady", "dog", "grass", "gras"})) == wanted


def test_unnamed_is_not_taught_as_absent() -> None:
    targets = targets_of(np.array([[0, 1, 3]]), Targets(unnamed=0.02, named_once=0.7, named=0.98))
    assert targets.tolist() == [pytest.approx([0.02, 0.7, 0.98])]


@given(arrays(np.float64, 40, elements=st.floats(0, 1)), arrays(np.bool_, 40))
def test_a_threshold_keeps_the_precision_it_promises(scores: np.ndarray, truth: np.ndarray) -> None:
    scores = scores + np.arange(40) * 1e-9
    threshold = threshold_for(scores, truth, SHOWN)
    if threshold is not None:
        chosen = scores >= threshold
        assert truth[chosen].mean() >= SHOWN.min_precision
        assert truth[chosen].sum() >= SHOWN.fewest


def test_a_tag_of_most_pictures_is_not_shown_in_the_others() -> None:
    """At a base rate of 78 % any threshold keeps a precision of .6; the bound on wrong pictures still asks for something."""
    draw = np.random.default_rng(0)
    truth = draw.random(2000) < 0.78
    scores = draw.normal(np.where(truth, 1.0, -1.0), 1.0)
    easy, strict = (threshold_for(scores, truth, SHOWN.model_copy(update={"most_wrong": bound})) for bound in (1.0, 0.05))
    assert easy is not None
    assert strict is not None
    assert (scores[~truth] >= easy).mean() > 0.1
    assert (scores[~truth] >= strict).mean() <= 0.05


def test_calibrated_scores_are_shares() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (4000, 3))
    truth = draw.random((4000, 3)) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    assert platt(Labelled(("a", "b", "c"), logits, truth)) == pytest.approx((0.5, -1), abs=0.08)


def test_the_smoke_recipe_is_read(repository: Path) -> None:
    assert load_recipe(repository / "src/pellucid/defaults/recipes/tags-smoke.toml", TagsRecipe).name == "tags-smoke"


def test_the_recipe_that_ships_is_read(repository: Path) -> None:
    recipe = load_recipe(repository / "src/pellucid/defaults/recipes/tags.toml", TagsRecipe)
    assert len(recipe.words.forms) > 150
    assert not set(recipe.zero_shot.hidden) & recipe.words.forms.keys() - {"wall", "window", "door"}


def tiny_recipe() -> TagsRecipe:
    return TagsRecipe.model_validate(
        {
            "kind": "tags", "name": "tiny", "dataset": "captions",
            "targets": {"unnamed": 0.02, "named_once": 0.7, "named": 0.98},
            "optimiser": {"epochs": 30, "batch": 32, "lr": 0.02, "weight_decay": 0.0, "warmup_steps": 1, "average": 0.5},
            "zero_shot": {"vectors": "vectors.npz", "scale": 20, "names": {"chien": "dog"}, "hidden": ["wall"]},
            "shown": {"min_precision": 0.6, "fewest": 3, "at_most": 4},
            "words": {"min_pictures": 5, "forms": {"dog": ["dog"], "car": ["car"], "unicorn": ["unicorn"]}},
        }
    )  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two kinds of pictures, dogs and cars, whose embeddings point two ways; text vectors that point the same ways."""
    draw = np.random.default_rng(0)
    ways = np.eye(8, dtype=np.float32)
    samples, rows = [], []
    for number in range(160):
        kind = number % 2
        name = ("dog", "car")[kind]
        samples.append(
            Sample(
                id=f"{number:016x}", root="r", path=f"{number}.png", sha256=f"{number:064x}", source="made", licence="CC0-1.0",
                split="val" if number % 4 > 1 else "train", captions=(f"A {name} .", f"The {name}s ."), objects=(name,),
            )
        )  # fmt: skip
        rows.append(ways[kind] * 5 + draw.normal(0, 0.3, 8))
    write_dataset(Dataset(tuple(samples), {"r": str(tmp_path)}), tmp_path / "data" / "captions")
    features = FeatureFolder(tmp_path / "features", "a-key").open()
    features.append("caption", [sample.id for sample in samples], {"embedding": np.float32(rows)})
    names = np.array(["dog", "car", "wall"])
    np.savez(tmp_path / "vectors.npz", T=ways[:3], V=ways[:1], coco=names, voc=np.array(["chien"]))
    return tmp_path


def test_a_run_learns_both_kinds_of_tags_and_leaves_rare_words_out(runs: Path) -> None:
    folder = run_tags(tiny_recipe(), {"models": runs}, runs)
    tags = read_json(folder / "tags.json", TagSet)
    assert [(tag.name, tag.source) for tag in tags.tags] == [
        ("dog", "encoder"), ("car", "encoder"), ("wall", "encoder"), ("dog", "captions"), ("car", "captions"),
    ]  # fmt: skip
    assert [tag.threshold is None for tag in tags.tags] == [False, False, True, False, False]
    origin = read_checkpoint(folder, "tags").origin
    assert origin.metrics["words"]["mean_ap"] > 0.99
    assert origin.metrics["objects"]["micro_ap"] > 0.99
    assert origin.feature_key == "a-key"


def test_the_same_seed_gives_the_same_weights(runs: Path) -> None:
    first, second = (read_checkpoint(run_tags(tiny_recipe(), {"models": runs}, runs), "tags").weights for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_says_which_root_is_needed(runs: Path) -> None:
    with pytest.raises(ConfigError, match="--root models=FOLDER"):
        run_tags(tiny_recipe(), {}, runs)


def test_refuses_vectors_of_classes_that_have_no_partner(runs: Path) -> None:
    with pytest.raises(DataError, match="'chien' has no partner"):
        read_vectors(runs / "vectors.npz", {})
