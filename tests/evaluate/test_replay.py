import numpy as np
import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import BundleError
from pellucid.evaluate.metrics import auc
from pellucid.evaluate.replay import fitted_scores, replayed


def tokens_of(labels, shift, seed):
    draw = np.random.default_rng(seed)
    tokens = draw.normal(0, 1, (len(labels), 12, 768)).astype(np.float32)
    tokens[labels, 3, :20] += shift
    return tokens


def test_a_replay_set_teaches_what_it_holds_and_no_more():
    labels = np.arange(80) % 2 == 0
    test = tokens_of(labels, 2.5, seed=1)
    taught = auc(labels, fitted_scores(tokens_of(labels, 2.5, seed=2), labels, test, penalty=1000.0))
    untaught = auc(labels, fitted_scores(tokens_of(labels, 0.0, seed=3), labels, test, penalty=1000.0))
    assert taught > 0.9
    assert untaught < 0.75


def test_int8_tokens_come_back_in_their_scale(tmp_path):
    kept = {"class_tokens": np.full((2, 12, 768), 127, np.int8), "ai": np.array([True, False])}
    told = {"mean": np.ones((12, 768), np.float32), "step": np.full((12, 768), 0.5, np.float32)}
    np.savez(tmp_path / "replay.npz", **kept, **told)
    tokens, labels = replayed(tmp_path / "replay.npz")
    assert tokens.max() == tokens.min() == 64.5
    assert labels.tolist() == [True, False]


def test_a_bundle_without_a_replay_set_says_so(tmp_path):
    with pytest.raises(BundleError, match=r"replay\.npz of the bundle cannot be read"):
        replayed(tmp_path / "replay.npz")
