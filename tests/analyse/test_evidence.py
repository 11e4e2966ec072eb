"""What is said of a picture, true or false, signed or not, and the verdict that comes of it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.analyse.credentials import MOST_BOXES, Credentials
from pellucid.analyse.evidence import declaration, evidence_in, marks_in
from pellucid.analyse.verdict import decide
from pellucid.base.errors import ConfigError
from pellucid.base.pixels import decode
from pellucid.base.settings import shipped
from pellucid.records.report import Budget, Evidence, Inference, Verdict
from tests.analyse.crafted import AI, CAMERA, Crafted, authorities, crafted
from tests.pictures import XMP_HEADER, jpeg, jpeg_with, xmp
from tests.signing import created, opened, signed

# How many rows the table of `crafted()` has; it is not made while tests are collected, since signing takes seconds.
CRAFTED = 64
NOTHING_FOUND = Inference(
    probability=0.01, slice="photo/small", threshold=0.2, budget=Budget(accused_per_10000=100, upper=130, measured_on=1000)
)


@pytest.fixture(scope="module")
def trust_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "anchors.pem"
    path.write_bytes(authorities()[0].pem)
    return path


@pytest.fixture(scope="module")
def credentials(trust_list: Path) -> Credentials:
    return Credentials(trust_list)


def verdict_on(one: Crafted, credentials: Credentials) -> Verdict:
    said = evidence_in(one.data, one.file_format, credentials)
    return decide(NOTHING_FOUND, [*declaration(one.declared), *said, *marks_in(decode(one.data))])


@pytest.mark.parametrize("number", range(CRAFTED))
def test_every_crafted_file_gets_its_verdict(number: int, credentials: Credentials) -> None:
    one = crafted()[number]
    verdict = verdict_on(one, credentials)
    assert (verdict.label, tuple(verdict.basis)) == (one.label, one.basis), one.name
    assert verdict.text


def test_no_crafted_file_is_left_out() -> None:
    assert len({one.name for one in crafted()}) == CRAFTED


def test_an_invalid_record_is_shown_with_what_is_wrong(credentials: Credentials) -> None:
    signer = authorities()[0].signer()
    (record,) = evidence_in(signed(signer, created(AI)) + b"more", "JPEG", credentials)
    assert (record.kind, record.says, record.state, record.detail) == (
        "record",
        "generated",
        "invalid",
        "assertion.dataHash.mismatch",
    )


def test_a_record_names_its_signers_the_newest_first(credentials: Credentials) -> None:
    root, _ = authorities()
    first = signed(root.signer("Camera"), created(CAMERA))
    second = signed(root.signer("Desk"), opened({"action": "c2pa.resized"}), parent=first)
    (record,) = evidence_in(second, "JPEG", credentials)
    assert record == Evidence(kind="record", source="c2pa", says="captured", state="trusted", detail="signed by Desk, Camera")


def test_the_trust_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    root, nobody = authorities()
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "one.pem").write_bytes(root.pem)
    reader = Credentials(folder)
    data = signed(nobody.signer(), created(CAMERA))
    assert reader.read(data, "JPEG")[0].state == "untrusted"
    (folder / "two.pem").write_bytes(nobody.pem)
    assert reader.read(data, "JPEG")[0].state == "trusted"
    (folder / "two.pem").unlink()
    assert reader.read(data, "JPEG")[0].state == "untrusted"


def test_a_trust_list_that_breaks_leaves_the_last_good_one_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root, _ = authorities()
    path = tmp_path / "anchors.pem"
    path.write_bytes(root.pem)
    reader = Credentials(path)
    path.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    assert reader.read(signed(root.signer(), created(AI)), "JPEG")[0].state == "trusted"
    assert "the one before stays in force" in caplog.text


def test_refuses_to_start_with_a_trust_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Credentials(tmp_path / "nowhere.pem")


def test_the_shipped_list_is_whole_and_trusts_none_of_ours(tmp_path: Path) -> None:
    shutil.copytree(shipped("trust"), tmp_path / "trust")
    reader = Credentials(tmp_path / "trust")
    assert sum(path.read_text().count("BEGIN CERTIFICATE") for path in (tmp_path / "trust").glob("*.pem")) == 52
    assert reader.read(signed(authorities()[0].signer(), created(AI)), "JPEG")[0].state == "untrusted"


def test_nothing_is_fetched_while_reading(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own calls do not pass Python's sockets: the listener on loopback would hear them."""
    heard: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        threading.Thread(target=lambda: heard.append(_accept(listener)), daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/manifest.c2pa"
        remote = f'<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">{address}</dcterms:provenance>'
        data = jpeg_with((0xE1, XMP_HEADER + xmp(remote)))
        assert [piece.source for piece in evidence_in(data, "JPEG", credentials)] == ["xmp:provenance"]
        assert [piece.state for piece in credentials.read(data, "JPEG")] in ([], ["invalid"])
    assert heard in ([], [None])


def _accept(listener: socket.socket) -> object:
    try:
        return listener.accept()
    except OSError:
        return None


def test_without_credentials_a_manifest_is_noticed_and_not_believed() -> None:
    data = signed(authorities()[0].signer(), created(AI))
    (claim,) = evidence_in(data, "JPEG", None)
    assert (claim.kind, claim.says, claim.state) == ("claim", "has_manifest", "unchecked")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_mutated_file_never_fails_and_with_other_pixels_is_never_trusted(credentials: Credentials, draw: st.DataObject) -> None:
    whole = _one_signed()
    at = draw.draw(st.integers(2, len(whole) - 1))
    value = draw.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    found = evidence_in(whole[:at] + bytes([value]) + whole[at + 1 :], "JPEG", credentials)
    # Behind the manifest everything is hashed; inside it there is padding that means nothing.
    if at > whole.rindex(b"\xff\xda"):
        assert all(piece.state != "trusted" for piece in found)


def test_a_manifest_of_too_many_parts_is_not_read(credentials: Credentials) -> None:
    boxes = b"JP\0\1\0\0\0\1c2pa" + b"\0\0\0\x19jumd" * 7000
    data = jpeg_with(*[(0xEB, boxes[:65_000])])
    assert data.count(b"jumd") > MOST_BOXES
    before = time.thread_time()
    (record,) = evidence_in(data, "JPEG", credentials)
    assert time.thread_time() - before < 0.05
    assert (record.kind, record.state) == ("record", "invalid")
    assert "not read: the manifest has 7000 parts" in str(record.detail)


def _one_signed(kept: dict[str, bytes] = {}) -> bytes:  # noqa: B006
    if not kept:
        kept["data"] = signed(authorities()[0].signer(), created(AI))
    return kept["data"]


def test_a_plain_picture_has_no_evidence(credentials: Credentials) -> None:
    assert evidence_in(jpeg(), "JPEG", credentials) == []
