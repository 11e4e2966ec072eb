"""Derivatives: what is kept (chain, marks of AI), what is left out (places, EXIF), what is added (label, signature)."""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.analyse.claims import claims_in
from pellucid.analyse.credentials import Credentials
from pellucid.analyse.derive import UNREADABLE, UNSIGNED, Deriver
from pellucid.analyse.evidence import evidence_in, marks_in
from pellucid.analyse.signer import Signer
from pellucid.analyse.verdict import decide
from pellucid.base.errors import BrokenImage, ConfigError, SigningFailed
from pellucid.base.pixels import decode
from pellucid.records.derivative import Derivative, Label, Wanted
from pellucid.records.report import Evidence
from tests.analyse.crafted import AI, CAMERA, PARAMETERS, damaged, moved
from tests.pictures import (
    XMP_HEADER,
    animated,
    camera_exif,
    exif,
    flat,
    jpeg,
    jpeg_with,
    png_with,
    rotated,
    saved,
    scene,
    swapped_icc,
    text_chunk,
    webp_with,
    xmp,
)  # fmt: skip
from tests.signing import Authority, created, edited, opened, signed
from tests.signing import Signer as Paper

ROOT, NOBODY = Authority("Root"), Authority("Nobody")
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
REMOTE = '<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">http://127.0.0.1:9/m.c2pa</dcterms:provenance>'


def files_of(paper: Paper, folder: Path) -> tuple[Path, Path]:
    """(certificates, key) as a site has them on disk."""
    (folder / "site.pem").write_bytes(paper.certificate)
    (folder / "site.key").write_bytes(paper.key)
    return folder / "site.pem", folder / "site.key"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    path = tmp_path_factory.mktemp("trust") / "anchors.pem"
    path.write_bytes(ROOT.pem)
    return Credentials(path)


@pytest.fixture(scope="module")
def deriver(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Deriver:
    signer = Signer.read(*files_of(ROOT.signer("Site"), tmp_path_factory.mktemp("key")))
    return Deriver(credentials, signer, propagator="Example Site")


def evidence_of(made: Derivative, credentials: Credentials) -> list[Evidence]:
    return [*evidence_in(made.data, made.format, credentials), *marks_in(decode(made.data))]


def said(made: Derivative, credentials: Credentials) -> list[tuple[str, str, str]]:
    return [(piece.source, piece.says, piece.state) for piece in evidence_of(made, credentials)]


@pytest.mark.parametrize("target", FORMATS)
def test_what_is_written_reads_back_trusted_with_the_chain_in_it(target, deriver, credentials) -> None:
    original = signed(ROOT.signer("Tool"), created(AI))
    made = deriver.derive(original, Wanted(32, target))
    record = evidence_of(made, credentials)[0]
    assert (record.kind, record.says, record.state, record.detail) == ("record", "generated", "trusted", "signed by Site, Tool")
    assert (made.signed, made.credentials, made.says) == (True, "signed", "generated")
    assert decode(made.data).image.size == (made.width, made.height) == (32, 32)


@pytest.mark.parametrize("source", ["PNG", "WEBP", "AVIF", "GIF"])
def test_the_chain_is_kept_from_every_format(source, deriver, credentials) -> None:
    made = deriver.derive(signed(ROOT.signer("Tool"), created(AI), source), Wanted())
    assert said(made, credentials)[0] == ("c2pa", "generated", "trusted")
    assert made.format == ("PNG" if source == "GIF" else source)


def test_a_trusted_capture_stays_one_through_two_derivatives(deriver, credentials) -> None:
    first = deriver.derive(signed(ROOT.signer("Camera"), created(CAMERA)), Wanted(48, "WEBP"))
    second = deriver.derive(first.data, Wanted(32, "JPEG"))
    assert said(second, credentials) == [("c2pa", "captured", "trusted")]
    assert decide(None, evidence_of(second, credentials)).label == "captured"


def test_a_stroke_of_ai_in_the_chain_is_not_lost(deriver, credentials) -> None:
    retouched = signed(ROOT.signer("Tool"), opened(edited(AI)), parent=signed(ROOT.signer("Camera"), created(CAMERA)))
    assert said(deriver.derive(retouched, Wanted(32)), credentials)[0] == ("c2pa", "edited", "trusted")


@pytest.mark.parametrize("source_type", [AI, CAMERA])
def test_our_signature_launders_no_manifest_that_was_moved(source_type, deriver, credentials) -> None:
    made = deriver.derive(moved(signed(ROOT.signer("Camera"), created(source_type))), Wanted(32))
    assert said(made, credentials) == [("c2pa", "has_manifest", "trusted")]


def test_our_signature_makes_no_record_of_what_a_stranger_says(deriver, credentials) -> None:
    stranger = NOBODY.signer("Stranger")
    lie, claim = (deriver.derive(signed(stranger, created(kind)), Wanted(32)) for kind in (CAMERA, AI))
    assert said(lie, credentials) == [("c2pa", "has_manifest", "trusted")]
    assert ("c2pa", "generated", "untrusted") in said(claim, credentials)
    assert decide(None, evidence_of(claim, credentials)).basis == ["claim"]


@pytest.mark.parametrize("target", FORMATS)
def test_nothing_of_the_file_but_its_pixels_comes_along(target, deriver) -> None:
    personal = exif(
        Make="Acme", BodySerialNumber="SERIAL-4711", Artist="Erika Mustermann", ImageDescription="at home", GPSInfo=1234
    )
    original = jpeg_with((0xE1, personal), (0xFE, b"a comment")) + b"appended"
    made = deriver.derive(original, Wanted(None, target)).data
    assert not [word for word in (b"Acme", b"4711", b"Mustermann", b"at home", b"a comment", b"appended") if word in made]
    opened_again = Image.open(io.BytesIO(made))
    assert not dict(opened_again.getexif())
    assert "icc_profile" not in opened_again.info


def test_a_place_in_the_chain_is_redacted_and_the_chain_holds(deriver, credentials) -> None:
    place = {"label": "stds.exif", "kind": "Json", "data": {"exif:GPSLatitude": "39,21.102N", "exif:GPSLongitude": "74,26.5W"}}
    original = signed(ROOT.signer("Camera"), created(CAMERA), assertions=[place])
    assert b"39,21.102N" in original
    first = deriver.derive(original, Wanted(32))
    second = deriver.derive(first.data, Wanted(32, "PNG"))
    for made in (first, second):
        assert b"39,21.102N" not in made.data
        assert said(made, credentials) == [("c2pa", "captured", "trusted")]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("says", ["generated", "edited"])
def test_the_label_is_written_in_three_ways(says, target, deriver, credentials) -> None:
    made = deriver.derive(jpeg(), Wanted(64, target), Label(says))
    assert said(made, credentials) == [
        ("c2pa", says, "trusted"), ("xmp:DigitalSourceType", says, "unsigned"), ("xmp:AIGC", "generated", "unsigned"),
    ]  # fmt: skip
    assert made.says == says
    assert b"org.pellucid.label" in made.data


def test_an_inference_is_signed_as_one_and_not_as_a_fact(deriver, credentials) -> None:
    made = deriver.derive(jpeg(), Wanted(), Label("generated", ("inference",), "Likely AI-generated."))
    assert said(made, credentials) == [("c2pa", "has_manifest", "trusted"), ("xmp:AIGC", "suspected", "unsigned")]
    assert b"Likely AI-generated." in made.data


def aigc_of(made: Derivative) -> dict[str, str]:
    (label,) = [claim.detail for claim in claims_in(made.data, made.format) if claim.source == "xmp:AIGC"]
    return json.loads(label)


def test_an_uploaders_declaration_is_labelled_as_likely(deriver) -> None:
    assert aigc_of(deriver.derive(jpeg(), Wanted(), Label("generated", ("claim",), declared=True)))["Label"] == "2"


def test_the_producers_chinese_label_stays_and_the_site_stands_beside_it(deriver) -> None:
    inner = {"Label": "3", "ContentProducer": "Maker <&> 1", "ProduceID": "x\ufffe9", "ReservedCode1": "r", "Name": "Erika"}
    found = aigc_of(deriver.derive(png_with(text_chunk("AIGC", json.dumps(inner))), Wanted(None, "JPEG"), Label("generated")))
    assert (found["Label"], found["ContentProducer"], found["ProduceID"]) == ("3", "Maker <&> 1", "x\ufffe9")
    assert (found["ContentPropagator"], len(found["PropagateID"])) == ("Example Site", 26)
    assert "Name" not in found


def test_marks_of_ai_survive_even_where_nothing_can_be_signed(credentials) -> None:
    deriver = Deriver(credentials)
    for original in (png_with(text_chunk("parameters", PARAMETERS)), signed(ROOT.signer("Tool"), created(AI))):
        made = deriver.derive(original, Wanted(32, "WEBP"))
        assert (made.signed, made.credentials, made.says) == (False, UNSIGNED, "generated")
        assert ("xmp:DigitalSourceType", "generated", "unsigned") in said(made, credentials)
    assert PARAMETERS.encode() not in made.data


def test_a_plain_picture_gets_no_label_and_its_chain_begins_here(deriver, credentials) -> None:
    made = deriver.derive(jpeg(), Wanted(32))
    assert said(made, credentials) == [("c2pa", "has_manifest", "trusted")]
    assert made.says is None


@pytest.mark.parametrize(
    "original",
    [lambda: damaged(signed(ROOT.signer(), created(AI))), lambda: jpeg_with((0xE1, XMP_HEADER + xmp(REMOTE)))],
    ids=["damaged", "remote"],
)
def test_where_the_originals_manifest_cannot_be_read_a_new_chain_begins_and_says_so(original, deriver, credentials) -> None:
    made = deriver.derive(original(), Wanted(32), Label("generated"))
    assert (made.signed, made.credentials) == (True, f"signed; {UNREADABLE}")
    assert said(made, credentials)[0] == ("c2pa", "generated", "trusted")


def test_where_not_even_that_can_be_done_it_is_unsigned_and_says_so(deriver) -> None:
    made = deriver.derive(webp_with(xmp(REMOTE)), Wanted(32))
    assert (made.signed, made.credentials) == (False, f"unsigned; {UNREADABLE}")


def test_orientation_is_applied_and_the_profile_turned_into_srgb(deriver) -> None:
    turned = deriver.derive(rotated(), Wanted(None, "PNG"))
    assert (turned.width, turned.height) == (120, 160)
    red = saved(flat((250, 10, 10)), "PNG", icc_profile=swapped_icc())
    pixels = np.asarray(Image.open(io.BytesIO(deriver.derive(red, Wanted()).data)).convert("RGB"))
    assert pixels[..., 1].mean() > 200 > 60 > pixels[..., 0].mean()


def test_is_never_enlarged_and_takes_the_first_frame(deriver) -> None:
    assert deriver.derive(jpeg(160, 120), Wanted(4000)).width == 160
    assert deriver.derive(jpeg(160, 120), Wanted(40)).height == 30
    made = deriver.derive(animated("GIF"), Wanted())
    assert (made.format, getattr(Image.open(io.BytesIO(made.data)), "n_frames", 1)) == ("PNG", 1)


def test_a_broken_picture_is_refused_as_by_an_analysis(deriver) -> None:
    with pytest.raises(BrokenImage):
        deriver.derive(jpeg()[:2000], Wanted())


def test_a_key_that_does_not_belong_to_the_certificate_is_refused(tmp_path) -> None:
    certificates, key = files_of(ROOT.signer(), tmp_path)
    key.write_bytes(ROOT.signer().key)
    with pytest.raises(ConfigError, match="is not that of the first certificate"):
        Signer.read(certificates, key)


def test_neither_errors_nor_logs_show_the_key(tmp_path, deriver, caplog) -> None:
    certificates, key = files_of(ROOT.signer(), tmp_path)
    secret = key.read_text().splitlines()[1]
    assert secret not in repr(Signer.read(certificates, key))
    caplog.set_level("DEBUG")
    deriver.derive(damaged(signed(ROOT.signer(), created(AI))), Wanted(32))
    assert "PRIVATE KEY" not in caplog.text
    key.write_text("-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        Signer.read(certificates, key)
    assert secret not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_certificate_that_has_run_out_signs_nothing(tmp_path, credentials) -> None:
    signer = Signer.read(*files_of(ROOT.signer("Late", timedelta(days=-1)), tmp_path))
    with pytest.raises(SigningFailed):
        signer.try_out(credentials.context())
    with pytest.raises(SigningFailed):
        Deriver(credentials, signer).derive(jpeg(), Wanted(32))


class Stamps(http.server.BaseHTTPRequestHandler):
    """A time-stamping authority that is out of order."""

    asked: list[str] = []

    def do_POST(self) -> None:
        self.asked.append(self.headers["content-type"])
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stamps() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Stamps) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_time_stamping_authority_is_asked_and_its_failure_told(tmp_path, credentials, stamps) -> None:
    signer = Signer.read(*files_of(ROOT.signer(), tmp_path), stamps)
    with pytest.raises(SigningFailed):
        Deriver(credentials, signer).derive(jpeg(), Wanted(32))
    assert "application/timestamp-query" in Stamps.asked


def test_a_camera_in_exif_is_no_reason_for_a_label(deriver) -> None:
    assert deriver.derive(saved(scene(), "JPEG", exif=camera_exif()), Wanted()).says is None
