import json

import numpy as np
import pytest

from pellucid.base.errors import DataError
from pellucid.ingest.domains import learn, unit, write_rule
from pellucid.ingest.recipe import Domains
from tests.ingest.made import sample

RECIPE = Domains(regularisation=30, folds=3, of={"photo": "photo", "photo_phone": "photo", "painting": "art", "chart": "chart"})


def drawn(count=30, seed=0):
    """Embeddings around one direction a declared domain, and their real samples."""
    draw = np.random.default_rng(seed)
    centres = {name: draw.normal(size=16) for name in ("photo", "photo_phone", "painting", "chart")}
    samples = [sample(f"{name}{n}", source=f"{name}-source", declared=name) for name in centres for n in range(count)]
    vectors = np.array([centres[one.declared] + draw.normal(size=16) * 0.3 for one in samples], dtype=np.float32)
    return samples, vectors


def test_learns_declared_domains_and_judges_itself_on_pictures_left_out():
    samples, vectors = drawn()
    rule, figures = learn(samples, vectors, RECIPE)
    assert rule.names == ("photo", "art", "chart")
    assert figures["accuracy"] > 0.9
    assert np.sum(figures["confusion"]) == len(samples)
    assert rule.of(vectors)[-1] == "chart"


def test_is_judged_on_sources_it_never_saw():
    samples, vectors = drawn()
    new = [sample(f"new{n}", "test", source="elsewhere", declared="chart") for n in range(5)]
    _, figures = learn([*samples, *new], np.concatenate([vectors, vectors[-5:]]), RECIPE)
    assert figures["unseen_sources"]["by_source"] == {"elsewhere (chart)": {"right": 5, "of": 5}}


def test_learns_nothing_from_ai_pictures_or_other_splits():
    samples, vectors = drawn()
    others = [sample("x", label="ai", declared="chart"), sample("y", "test", declared="chart")]
    noise = np.concatenate([vectors, -vectors[-2:]])
    alone, _ = learn(samples, vectors, RECIPE)
    among, _ = learn([*samples, *others], noise, RECIPE)
    np.testing.assert_array_equal(alone.weights, among.weights)


def test_does_not_depend_on_the_length_of_an_embedding():
    samples, vectors = drawn()
    rule, _ = learn(samples, vectors, RECIPE)
    np.testing.assert_allclose(rule.probabilities(vectors), rule.probabilities(vectors * 7), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(unit(vectors), axis=1), 1, rtol=1e-5)


def test_two_domains_are_a_softmax_as_well():
    samples, vectors = drawn()
    two = RECIPE.model_copy(update={"of": {"photo": "photo", "chart": "chart"}})
    rule, figures = learn(samples, vectors, two)
    assert rule.weights.shape == (2, 16)
    assert figures["accuracy"] > 0.9


def test_is_written_as_names_and_plain_arrays(tmp_path):
    samples, vectors = drawn()
    rule, _ = learn(samples, vectors, RECIPE)
    write_rule(rule, tmp_path)
    (names,) = tmp_path.glob("*.json")
    (file,) = tmp_path.glob("*.npz")
    assert tuple(json.loads(names.read_text())["names"]) == rule.names
    with np.load(file, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["weights"], rule.weights)


def test_refuses_to_learn_from_one_domain():
    with pytest.raises(DataError, match="needs two or more"):
        learn([sample("a", declared="chart")], np.ones((1, 16), dtype=np.float32), RECIPE)
