"""Behind the fence everything is as before it, and what a worker says is not believed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pellucid.analyse.analyser import Analyser, AnalyserSettings
from pellucid.analyse.claims import read_claims
from pellucid.analyse.credentials import Credentials
from pellucid.analyse.derive import Deriver
from pellucid.analyse.evidence import evidence_in
from pellucid.analyse.fenced import TASKS, Fenced, open_reader
from pellucid.analyse.moderation import load_policy
from pellucid.analyse.reading import Direct
from pellucid.analyse.signer import Signer
from pellucid.base.errors import DecoderCrashed, DecoderTooSlow, ImageError, SigningFailed
from pellucid.base.fence import Bounds, Fence, Task
from pellucid.base.pixels import Limits, decode
from pellucid.base.room import Room
from pellucid.base.settings import read_settings
from pellucid.records.derivative import Label, Wanted
from pellucid.runtime.bundle import LoadedBundle
from tests import pictures
from tests.signing import Authority, created, signed
from tests.tiny_bundle import make_tiny_bundle

ROOT = Authority("Root")
AI = created("trainedAlgorithmicMedia")
FAILING = "tests.analyse.crashing_tasks"
LIMITS = Limits()


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    path = tmp_path_factory.mktemp("trust") / "anchors.pem"
    path.write_bytes(ROOT.pem)
    return Credentials(path)


def behind(tasks: str, credentials: Credentials, **bounds: Any) -> Fenced:
    return Fenced(Fence(tasks, Bounds(**{"workers": 2, **bounds})), Room(128_000_000), lambda: credentials)


@pytest.fixture(scope="module")
def fenced(credentials: Credentials) -> Iterator[Fenced]:
    made = behind(TASKS, credentials)
    yield made
    made.close()


@pytest.fixture(scope="module")
def failing(credentials: Credentials) -> Iterator[Fenced]:
    """Whose decoder fails on demand."""
    made = behind(FAILING, credentials, most_bytes=256 << 20, timeout_s=6)
    yield made
    made.close()


@pytest.fixture(scope="module")
def deriver(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Deriver:
    folder, paper = tmp_path_factory.mktemp("key"), ROOT.signer("Site")
    (folder / "site.pem").write_bytes(paper.certificate)
    (folder / "site.key").write_bytes(paper.key)
    return Deriver(credentials, Signer.read(folder / "site.pem", folder / "site.key"), propagator="Example Site")


@pytest.mark.parametrize("name", pictures.ACCEPTED)
def test_a_picture_is_the_same_behind_the_fence(fenced: Fenced, name: str) -> None:
    data = pictures.ACCEPTED[name]()
    here, there = decode(data), fenced.decode(data, LIMITS)
    assert there.image.tobytes() == here.image.tobytes()
    assert (there.alpha and there.alpha.tobytes()) == (here.alpha and here.alpha.tobytes())
    assert (there.sha256, there.format, there.bytes, there.notes) == (here.sha256, here.format, here.bytes, here.notes)
    assert fenced.claims(data, here.format) == read_claims(data, here.format)


@pytest.mark.parametrize("name", pictures.REFUSED)
def test_a_picture_that_is_refused_is_refused_in_the_same_words(fenced: Fenced, name: str) -> None:
    data = pictures.REFUSED[name]()
    with pytest.raises(ImageError if data else Exception) as here:
        decode(data)
    with pytest.raises(type(here.value)) as there:
        fenced.decode(data, LIMITS)
    assert str(there.value) == str(here.value)


def test_a_picture_larger_than_a_workers_own_memory_comes_whole(fenced: Fenced) -> None:
    data = pictures.saved(pictures.flat((9, 120, 200), 3000, 2500), "PNG")
    assert fenced.decode(data, LIMITS).image.tobytes() == decode(data).image.tobytes()


def test_claims_with_text_are_the_same(fenced: Fenced) -> None:
    data = pictures.png_with(pictures.text_chunk("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"))
    assert fenced.claims(data, "PNG") == read_claims(data, "PNG")
    assert fenced.claims(data, "PNG")[0].says == "generated"


def test_records_are_the_same_and_follow_the_trust_list(tmp_path: Path) -> None:
    other, path = Authority("Other"), tmp_path / "anchors.pem"
    path.write_bytes(ROOT.pem)
    changing = behind(TASKS, Credentials(path))
    try:
        data = signed(other.signer(), AI)
        assert changing.read(data, "JPEG") == Credentials(path).read(data, "JPEG")
        assert changing.read(data, "JPEG")[0].state == "untrusted"
        path.write_bytes(ROOT.pem + other.pem)
        assert changing.read(data, "JPEG")[0].state == "trusted"
        path.write_text("no certificates any more")
        assert changing.read(data, "JPEG")[0].state == "trusted"
    finally:
        changing.close()


@pytest.mark.parametrize("failure", ["abort", "segfault", "devour"])
def test_a_decoder_that_crashes_has_a_code_of_its_own(failing: Fenced, failure: str) -> None:
    with pytest.raises(DecoderCrashed):
        failing.decode(pictures.jpeg() + f"decode:{failure}".encode(), LIMITS)
    assert failing.decode(pictures.jpeg(), LIMITS).width == 160


def test_a_decoder_that_hangs_has_another(failing: Fenced) -> None:
    with pytest.raises(DecoderTooSlow):
        failing.decode(pictures.jpeg() + b"decode:hang", LIMITS)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"width": 160, "height": 120, "alpha": None},
        {"width": "160", "height": 120, "alpha": None, "notes": []},
        {"width": 160.0, "height": 120, "alpha": None, "notes": []},
        {"width": True, "height": 120, "alpha": None, "notes": []},
        {"width": -160, "height": -120, "alpha": None, "notes": []},
        {"width": 0, "height": 120, "alpha": None, "notes": []},
        {"width": 160, "height": 120, "alpha": None, "notes": []},
        {"width": 1 << 40, "height": 1 << 40, "alpha": None, "notes": []},
        {"width": 160, "height": 120, "alpha": [160], "notes": []},
        {"width": 160, "height": 120, "alpha": [1 << 30, 1], "notes": []},
        {"width": 160, "height": 120, "alpha": None, "notes": 5},
    ],
)
def test_a_picture_that_cannot_be_is_not_taken(failing: Fenced, said: dict[str, Any]) -> None:
    """The one that is well-formed is not there either: the worker wrote nothing."""
    with pytest.raises(DecoderCrashed):
        failing.decode(pictures.jpeg() + b"LIE" + json.dumps(said).encode() + b"LIE" + b"decode:lie", LIMITS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    folder = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    return LoadedBundle.open(folder, threads=1)


@pytest.fixture
def analyser(bundle: LoadedBundle, failing: Fenced) -> Iterator[Analyser]:
    made = Analyser(bundle, load_policy(None), AnalyserSettings(), credentials=failing, reader=failing)
    yield made
    made.close()


def test_a_reader_of_manifests_that_hangs_is_killed_and_the_rest_is_answered(bundle: LoadedBundle, failing: Fenced) -> None:
    limits_s = AnalyserSettings().time_limits_s | {"credentials": 0.2}  # type: ignore[operator]
    analyser = Analyser(bundle, load_policy(None), AnalyserSettings(time_limits_s=limits_s), credentials=failing, reader=failing)
    report = analyser.analyse(signed(ROOT.signer(), AI) + b"records:hang").report
    assert [each.part for each in report.missing] == ["credentials"]
    assert [(piece.source, piece.state) for piece in report.evidence] == [("c2pa", "unchecked")]
    assert report.inference is not None
    analyser.close()
    # The thread that waited is free again, since what it waited for is dead.
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("reader")]:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(("part", "named"), [("claims", "claims"), ("records", "credentials")])
def test_a_reader_of_metadata_that_crashes_makes_its_part_missing(analyser: Analyser, part: str, named: str) -> None:
    report = analyser.analyse(signed(ROOT.signer(), AI) + f"{part}:segfault".encode()).report
    missing = {each.part: each.reason for each in report.missing}
    assert "crashed twice" in missing[named]
    assert report.inference is not None


@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_derivative_is_signed_by_a_key_that_no_worker_has(fenced: Fenced, deriver: Deriver, target: Any) -> None:
    original = signed(ROOT.signer("Tool"), AI)
    made = fenced.derive(deriver, original, Wanted(32, target), Label("edited", ("ruling",), "A text."))
    record = evidence_in(made.data, target, fenced.credentials)[0]
    assert (made.signed, made.credentials, made.says) == (True, "signed", "edited")
    assert (record.state, record.detail) == ("trusted", "signed by Site, Tool")
    assert decode(made.data).image.size == (made.width, made.height) == (32, 32)


def test_an_unsigned_derivative_is_the_same_to_the_byte(fenced: Fenced, credentials: Credentials) -> None:
    unsigned = Deriver(credentials, None)
    here = unsigned.derive(pictures.jpeg(), Wanted(64, "WEBP"))
    assert fenced.derive(unsigned, pictures.jpeg(), Wanted(64, "WEBP")) == here


def test_an_encoder_that_crashes_has_its_code_too(failing: Fenced, deriver: Deriver) -> None:
    with pytest.raises(DecoderCrashed, match="derive"):
        failing.derive(deriver, pictures.jpeg() + b"derive:abort", Wanted(32))


@pytest.mark.parametrize(
    "change",
    [
        {"length": 1 << 40},
        {"length": 0},
        {"format": "TIFF"},
        {"says": "real"},
        {"credentials": "signed\r\nSet-Cookie: a=b"},
        {"width": "1"},
    ],
)
def test_a_derivative_that_cannot_be_is_not_taken(failing: Fenced, deriver: Deriver, change: dict[str, Any]) -> None:
    said = {"length": 9, "format": "PNG", "width": 1, "height": 1, "signed": True, "credentials": "signed", "says": None}
    lie = b"LIE" + json.dumps(said).encode() + b"LIE" + b"derive:lie"
    assert failing.derive(deriver, pictures.jpeg() + lie, Wanted(32)).credentials == "signed"
    with pytest.raises(DecoderCrashed):
        failing.derive(
            deriver, pictures.jpeg() + lie.replace(json.dumps(said).encode(), json.dumps(said | change).encode()), Wanted(32)
        )


def test_a_key_that_cannot_sign_is_said_as_before(fenced: Fenced, credentials: Credentials, tmp_path: Path) -> None:
    from datetime import timedelta

    paper = ROOT.signer("Site", timedelta(days=-1))
    (tmp_path / "site.pem").write_bytes(paper.certificate)
    (tmp_path / "site.key").write_bytes(paper.key)
    expired = Deriver(credentials, Signer.read(tmp_path / "site.pem", tmp_path / "site.key"))
    with pytest.raises(SigningFailed):
        fenced.derive(expired, pictures.jpeg(), Wanted(32))


def test_a_worker_gets_no_signature_where_there_is_no_key(fenced: Fenced) -> None:
    _, tell = fenced._anchors()
    with pytest.raises(ValueError, match="sign"):
        tell("sign", b"anything")


def test_a_worker_starts_without_models_store_or_server(fenced: Fenced) -> None:
    found = Fence("tests.analyse.module_tasks", Bounds(1))
    try:
        loaded = set(found.run(Task("modules"), lambda said, _: said)["modules"])
    finally:
        found.close()
    assert "c2pa" in loaded
    assert not loaded & {"onnxruntime", "openvino", "sqlalchemy", "fastapi", "uvicorn", "torch", "obstore"}


@pytest.mark.parametrize("fence", [True, False])
def test_the_setting_says_where_files_are_read(fence: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_FENCE", str(fence))
    reader = open_reader(read_settings(threads=3))
    assert isinstance(reader, Fenced if fence else Direct)
    if isinstance(reader, Fenced):
        assert reader.fence.bounds == Bounds(3, 1536 << 20, 20.0)
    assert reader.decode(pictures.jpeg(), LIMITS).width == 160
    reader.close()
