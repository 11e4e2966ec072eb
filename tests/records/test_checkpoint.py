"""A checkpoint comes back as it was written, or is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, read_checkpoint, write_checkpoint

ORIGIN = Origin("detector", {"seed": 1, "head": {"width": 24}}, "0" * 40, "data-1", "key-1", {"auc": 0.99})


def written(folder: Path) -> Path:
    weights = {"narrow": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(3, dtype=np.float32)}
    write_checkpoint(Checkpoint(ORIGIN, weights), folder)
    return folder


def test_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = read_checkpoint(written(tmp_path), "detector")
    assert found.origin == ORIGIN
    assert sorted(found.weights) == ["bias", "narrow"]
    np.testing.assert_array_equal(found.weights["narrow"], [[0, 1, 2], [3, 4, 5]])


@given(
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        arrays.arrays(st.sampled_from([np.float32, np.float16, np.int64]), arrays.array_shapes(min_side=0, max_dims=3)),
        max_size=4,
    )
)
def test_any_arrays_come_back_bit_by_bit(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, np.ndarray]) -> None:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(Checkpoint(ORIGIN, weights), folder)
    found = read_checkpoint(folder).weights
    assert {name: (array.dtype, array.shape, array.tobytes()) for name, array in found.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in weights.items()
    }


def test_arrays_that_do_not_lie_in_order_come_back_right(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    write_checkpoint(Checkpoint(ORIGIN, {"turned": array}), tmp_path)
    np.testing.assert_array_equal(read_checkpoint(tmp_path).weights["turned"], array)


def test_a_half_written_checkpoint_is_refused(tmp_path: Path) -> None:
    (written(tmp_path) / "checkpoint.json").unlink()
    with pytest.raises(DataError, match="not a whole checkpoint"):
        read_checkpoint(tmp_path)
    with pytest.raises(DataError, match="not a whole checkpoint"):
        read_checkpoint(tmp_path / "absent")


def test_other_weights_than_the_described_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"not the file that checkpoint\.json describes"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 99}, "not of schema 1"),
        ({"kind": "poem"}, "holds a poem checkpoint"),
        ({"surprise": 1}, "not a checkpoint"),
    ],
)
def test_a_head_that_this_version_cannot_read_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    path = written(tmp_path) / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=complaint):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("head", ["", "[]", "{", "null"])
def test_a_head_that_is_no_object_is_refused(tmp_path: Path, head: str) -> None:
    (written(tmp_path) / "checkpoint.json").write_text(head)
    with pytest.raises(DataError, match="train it again"):
        read_checkpoint(tmp_path)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds a detector checkpoint; wanted was caption"):
        read_checkpoint(written(tmp_path), "caption")


def test_writing_again_replaces_the_whole(tmp_path: Path) -> None:
    write_checkpoint(Checkpoint(ORIGIN, {"one": np.ones(1, dtype=np.float32)}), written(tmp_path))
    assert list(read_checkpoint(tmp_path).weights) == ["one"]


def test_the_commit_is_a_hash_or_said_to_be_unknown() -> None:
    commit = git_commit().removesuffix("-dirty")
    assert commit == "unknown" or (len(commit) == 40 and int(commit, 16))
