import numpy as np
import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import DataError
from pellucid.evaluate.changes import CHANGES
from pellucid.evaluate.draw import drawn
from pellucid.evaluate.failure_modes import against, made
from pellucid.records.dataset import read_dataset
from tests.evaluate.answers import judged
from tests.pictures import scene


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_the_same_each_time_and_leaves_the_picture_alone(name):
    picture = scene(200, 150)
    before = np.asarray(picture).copy()
    one, other = CHANGES[name](picture, 7), CHANGES[name](picture, 7)
    assert one.mode == "RGB"
    assert np.array_equal(np.asarray(one), np.asarray(other))
    assert np.array_equal(np.asarray(picture), before)
    if name != "plain":
        assert one.size != picture.size or not np.array_equal(np.asarray(one), before)


def test_night_is_dark_grey_is_grey_and_blur_is_smooth():
    picture = scene(200, 150)
    night, grey, blurred = (np.asarray(CHANGES[name](picture, 0), dtype=int) for name in ("night", "black_and_white", "blurred"))
    assert night.mean() < 0.6 * np.asarray(picture).mean()
    assert np.ptp(grey, axis=2).max() == 0
    assert np.abs(np.diff(blurred, axis=0)).mean() < np.abs(np.diff(np.asarray(picture, dtype=int), axis=0)).mean()


def test_a_mode_is_a_dataset_of_its_own_that_can_be_read_again(place):
    dataset = read_dataset(place / "data" / "made")
    chosen = drawn(dataset, ("val",), ("real",), 3, seed=0, declared=("photo",))
    result = made(chosen, "screenshot", 1280, 0, place / "data" / "made-failures" / "screenshot")
    again = read_dataset(place / "data" / "made-failures" / "screenshot")
    assert again.samples == result.samples
    assert {(one.width, one.height, one.declared) for one in again.samples} == {(540, 1080, "photo")}
    assert not {one.id for one in again.samples} & {one.id for one in dataset.samples}
    assert all(again.file(one).read_bytes().startswith(b"\xff\xd8") for one in again.samples)


def test_the_draw_is_the_same_each_time_and_says_what_is_not_there(place):
    dataset = read_dataset(place / "data" / "made")
    assert drawn(dataset, ("val",), ("ai", "real"), 6, 1).samples == drawn(dataset, ("val",), ("ai", "real"), 6, 1).samples
    assert [one.label for one in drawn(dataset, ("val",), ("ai", "real"), 6, 1).samples] == ["ai"] * 3 + ["real"] * 3
    with pytest.raises(DataError, match="no real pictures of chart in val"):
        drawn(dataset, ("val",), ("real",), 3, 0, declared=("chart",))


def test_only_what_the_change_did_is_held_against_it():
    labels = ["real", "real", "real", "ai"]
    before = judged(labels, ["generated", "no_ai_found", "no_ai_found", "generated"])
    after = judged(labels, ["generated", "generated", "no_ai_found", "unsure"])
    found = against(before, after)
    assert (found["accused_before"]["count"], found["newly_accused"]["count"]) == (1, 1)
    assert (found["unchanged"]["count"], found["unchanged"]["of"]) == (2, 4)
