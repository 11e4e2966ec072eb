"""`POST /v1/derivatives` through the whole application."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from pellucid.analyse.credentials import Credentials
from pellucid.analyse.evidence import evidence_in
from tests.analyse.crafted import AI
from tests.pictures import camera_exif, jpeg, png, saved, scene
from tests.serve.conftest import MakeApp
from tests.signing import Authority, created, signed

ADDRESS = "/v1/derivatives"
ROOT = Authority("Root")


@pytest.fixture
def signing(make_app: MakeApp, tmp_path: Path) -> Iterator[TestClient]:
    """A site with anchors, a key and a name of its own."""
    paper = ROOT.signer("Site")
    for name, content in (("anchors.pem", ROOT.pem), ("site.pem", paper.certificate), ("site.key", paper.key)):
        (tmp_path / name).write_bytes(content)
    app = make_app(
        trust_list=tmp_path / "anchors.pem", signing_certificates=tmp_path / "site.pem", signing_key=tmp_path / "site.key",
        propagator="Example Site",
    )  # fmt: skip
    with TestClient(app) as client:
        yield client


def test_a_picture_comes_back_smaller_in_the_format_asked_for(client: TestClient) -> None:
    answer = client.post(ADDRESS, params={"size": 64, "format": "webp"}, content=saved(scene(), "JPEG", exif=camera_exif()))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size, dict(image.getexif())) == ("WEBP", (64, 48), {})
    assert (answer.headers["pellucid-credentials"], answer.headers["pellucid-label"]) == (
        "unsigned; no signing key is set",
        "none",
    )


def test_what_a_site_signs_reads_back_trusted_under_its_own_anchors(signing: TestClient, tmp_path: Path) -> None:
    original = signed(ROOT.signer("Tool"), created(AI))
    answer = signing.post(ADDRESS, params={"size": 32}, files={"file": ("a.jpg", original)})
    assert (answer.headers["pellucid-credentials"], answer.headers["pellucid-label"]) == ("signed", "generated")
    record = evidence_in(answer.content, "JPEG", Credentials(tmp_path / "anchors.pem"))[0]
    assert (record.says, record.state, record.detail) == ("generated", "trusted", "signed by Site, Tool")


def test_an_analysis_gives_its_picture_and_its_verdict_as_label(signing: TestClient) -> None:
    report = signing.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "edited"}).json()
    answer = signing.post(ADDRESS, params={"analysis": report["id"], "format": "jpeg"})
    assert (answer.headers["content-type"], answer.headers["pellucid-label"]) == ("image/jpeg", "edited")
    assert b'"Example Site"' in answer.content.replace(b"&quot;", b'"')
    unlabelled = signing.post(ADDRESS, params={"analysis": report["id"], "label": "none"})
    assert unlabelled.headers["pellucid-label"] == "none"


@pytest.mark.parametrize(
    ("params", "body", "status", "code"),
    [
        ({"label": "verdict"}, jpeg(), 422, "invalid-parameter"),
        ({"size": 4}, jpeg(), 422, "invalid-parameter"),
        ({"format": "gif"}, jpeg(), 422, "invalid-parameter"),
        ({"colour": "red"}, jpeg(), 422, "invalid-parameter"),
        ({"analysis": "01KANJ5V7ZQ4W4X1T0QK8P3M2C"}, b"", 404, "not-found"),
        ({}, b"", 400, "empty-body"),
        ({}, b"no picture", 415, "not-an-image"),
        ({}, jpeg()[:1500], 422, "broken-image"),
        ({}, bytes(200_000), 413, "body-too-large"),
    ],
)
def test_bad_input_has_the_answer_of_an_analysis(make_app: MakeApp, params, body, status, code) -> None:
    with TestClient(make_app(max_body_bytes=100_000)) as client:
        answer = client.post(ADDRESS, params=params, content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_key_is_needed_where_keys_are_set(make_app: MakeApp) -> None:
    with TestClient(make_app(api_keys=("0123456789abcdef",))) as client:
        assert client.post(ADDRESS, content=jpeg()).status_code == 401
        assert client.post(ADDRESS, content=jpeg(), headers={"Authorization": "Bearer 0123456789abcdef"}).status_code == 200


def test_a_site_whose_key_does_not_fit_is_never_ready_and_says_why(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "site.key").write_bytes(ROOT.signer().key)
    with TestClient(make_app(signing_key=tmp_path / "site.key")) as client:
        time.sleep(0.5)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "belong together" in answer.text


@pytest.mark.parametrize("sent", [{"content": png()}, {"files": {"file": ("a.png", png())}}, {"content": iter([b"x"])}])
def test_a_body_beside_a_stored_picture_is_refused_and_not_passed_over(client: TestClient, sent: dict[str, Any]) -> None:
    stored = client.post("/v1/analyses", content=png(seed=3)).json()["id"]
    answer = client.post(ADDRESS, params={"analysis": stored}, **sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    assert client.post(ADDRESS, params={"analysis": stored}).status_code == 200
