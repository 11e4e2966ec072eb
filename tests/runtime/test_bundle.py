from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid.base.errors import BundleError
from pellucid.records.bundle import Thresholds, ViewSpec
from pellucid.runtime.bundle import SAFETY_CLASSES, LoadedBundle
from pellucid.runtime.session import BackEnd, OpenVinoSession, Session, fastest_back_end, processor_flags
from pellucid.runtime.views import caption_view, detection_view, to_tensor
from tests.pictures import scene
from tests.tiny_bundle import DOMAINS, TAGS, THRESHOLDS, make_tiny_bundle

ENCODER_PARTS = {
    "class_tokens": (12, 768),
    "patch_mean": (12, 768),
    "patch_std": (12, 768),
    "patches": (196, 768),
    "embedding": (512,),
}
SPEC = ViewSpec()


def views(count: int) -> NDArray[np.float32]:
    return np.stack([to_tensor(detection_view(scene(300, 240, seed), SPEC), SPEC) for seed in range(count)])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    folder = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    return LoadedBundle.open(folder)


@pytest.mark.parametrize("back_end", ["openvino", "onnxruntime"])
def test_either_back_end_gives_every_part_of_the_encoder(tmp_path: Path, back_end: BackEnd) -> None:
    make_tiny_bundle(tmp_path)
    tensors = LoadedBundle.open(tmp_path, back_end=back_end).encode(views(2))
    assert {name: tensors[name].shape[1:] for name in ENCODER_PARTS} == ENCODER_PARTS


def test_the_back_ends_agree(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    one, other = (LoadedBundle.open(tmp_path, back_end=back_end).encode(views(3)) for back_end in ("openvino", "onnxruntime"))
    for name in ENCODER_PARTS:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("back_end", ["openvino", "onnxruntime"])
def test_a_picture_gets_the_same_bits_alone_and_in_a_batch(tmp_path: Path, back_end: BackEnd) -> None:
    make_tiny_bundle(tmp_path)
    bundle = LoadedBundle.open(tmp_path, back_end=back_end)
    together = bundle.encode(views(5))
    for row, view in enumerate(views(5)):
        alone = bundle.encode(view[None])
        assert all(np.array_equal(alone[name][0], together[name][row]) for name in ENCODER_PARTS)


def test_chooses_the_back_end_by_what_the_processor_can_do(tmp_path: Path) -> None:
    assert fastest_back_end({"avx2", "avx512_vnni"}) == "openvino"
    assert fastest_back_end({"avx2", "fma"}) == "onnxruntime"
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: made up\nflags\t\t: fpu avx2 avx_vnni\n\nflags\t\t: fpu\n")
    assert processor_flags(info) == {"fpu", "avx2", "avx_vnni"}
    assert processor_flags(tmp_path / "none") == frozenset()


def test_heads_answer_for_every_row(bundle: LoadedBundle) -> None:
    tensors = bundle.encode(views(3))
    assert bundle.detect(tensors).shape == (3,)
    probabilities = bundle.domain(tensors["embedding"])
    assert bundle.domains == DOMAINS
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    rows = bundle.tags(tensors["embedding"])
    assert [[name for name, _, _ in row] for row in rows] == [list(TAGS)] * 3
    assert all(0 <= score <= 1 for row in rows for _, score, _ in row)


def test_the_safety_model_takes_raw_pixels(bundle: LoadedBundle) -> None:
    pixels = np.asarray(caption_view(scene(), SPEC)).transpose(2, 0, 1)
    scores = bundle.safety(pixels)
    assert tuple(scores) == SAFETY_CLASSES
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)


def test_half_precision_features_are_taken_as_they_are_kept(bundle: LoadedBundle) -> None:
    tensors = bundle.encode(views(2))
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    np.testing.assert_allclose(bundle.detect(halves), bundle.detect(tensors), atol=0.05)


def test_says_what_a_smaller_bundle_lacks(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path, without=("tags", "safety", "caption"))
    bundle = LoadedBundle.open(tmp_path)
    tensors = bundle.encode(views(1))
    with pytest.raises(BundleError, match="no tags"):
        bundle.tags(tensors["embedding"])
    with pytest.raises(BundleError, match="no safety"):
        bundle.safety(np.zeros((3, 224, 224)))
    with pytest.raises(BundleError, match="no captioner"):
        bundle.caption(tensors["patches"][0], tensors["embedding"][0])


def test_refuses_thresholds_with_an_unknown_re_encoding(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path, thresholds=Thresholds(**THRESHOLDS.model_dump() | {"re_encodings": ("jpeg99",)}))
    with pytest.raises(BundleError, match="jpeg99"):
        LoadedBundle.open(tmp_path)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    (tmp_path / "domain.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=r"domain\.onnx"):
        LoadedBundle.open(tmp_path)


def shipped_encoder() -> Path:
    return Path(__file__).parents[2] / "src" / "pellucid" / "defaults" / "bundle" / "encoder.onnx"


@pytest.fixture(params=["tiny", "shipped"])
def encoder(request: pytest.FixtureRequest, bundle: LoadedBundle) -> Iterator[Session]:
    if request.param == "tiny":
        yield bundle.encoder
    elif shipped_encoder().exists():
        yield OpenVinoSession(shipped_encoder())
    else:
        pytest.skip("the package holds no bundle yet: `make bundle` makes it")


@pytest.mark.timeout(300)
def test_the_encoder_says_the_same_bits_in_every_batch(encoder: Session) -> None:
    pixels = views(9)
    together = encoder.run({"pixels": pixels})
    for batch in ([0], [8], [3, 1], [7, 5, 2, 0, 6], [4, 4, 4]):
        found = encoder.run({"pixels": pixels[batch]})
        for name in ENCODER_PARTS:
            np.testing.assert_array_equal(found[name], together[name][batch])
