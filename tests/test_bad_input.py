"""What happens to bad input, through the whole application: docs/bad-input.md as a test, row by row."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pellucid.analyse.credentials import Credentials
from pellucid.analyse.fenced import Fenced
from pellucid.app import create_app
from pellucid.base.fence import Bounds, Fence
from pellucid.base.room import Room
from pellucid.base.settings import Settings, shipped
from tests import pictures
from tests.serve.fake import FakeAnalyser

TABLE = Path(__file__).parents[1] / "docs" / "bad-input.md"
ADDRESS = "/v1/analyses"
MIB = 1 << 20
PICTURES = dict(pictures.accepted())

Answer = tuple[int, dict[str, object]]


@dataclass(frozen=True)
class Services:
    """The application in process, and the same behind a real socket for what only a socket shows."""

    client: TestClient
    port: int

    def post(self, data: bytes) -> Answer:
        answer = self.client.post(ADDRESS, content=data)
        return answer.status_code, answer.json()

    def form(self, files: object = None, fields: dict[str, str] | None = None) -> Answer:
        answer = self.client.post(ADDRESS, files=files, data=fields)  # type: ignore[arg-type]
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    # The real readers, of which the decoder can be made to crash and to hang.
    fence = Fence("tests.analyse.crashing_tasks", Bounds(workers=2, timeout_s=10))
    reader = Fenced(fence, Room(128_000_000), lambda: Credentials(shipped("trust")))
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data")), FakeAnalyser(), reader)
    slow = create_app(Settings(data_dir=tmp_path_factory.mktemp("slow"), body_timeout_s=0.5), FakeAnalyser())
    with TestClient(app) as client, closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(slow, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        _wait_for_start(server)
        yield Services(client, listening.getsockname()[1])
        server.should_exit = True
        thread.join(30)


def _wait_for_start(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)


def body(make: Callable[[], bytes]) -> Callable[[Services], Answer]:
    return lambda services: services.post(make())


def file(name: str) -> Callable[[Services], Answer]:
    return body({**pictures.ACCEPTED, **pictures.REFUSED}[name])


def wrong_extension(services: Services) -> Answer:
    return services.form({"file": ("picture.png", pictures.jpeg(), "image/gif")})


def body_of_60_mb(services: Services) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", services.port, timeout=30)
    with closing(connection):
        connection.request("POST", ADDRESS, body=bytes(60 * MIB))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def slow_body(services: Services) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", services.port, timeout=30)
    with closing(connection):
        connection.putrequest("POST", ADDRESS)
        connection.putheader("Content-Length", "100000")
        connection.endheaders(b"\xff\xd8\xff")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def five_hundred_files(services: Services) -> Answer:
    return services.form([("file", (f"{n}.png", b"x")) for n in range(500)])


def five_hundred_fields(services: Services) -> Answer:
    return services.form({"file": ("a.png", pictures.png())}, {f"field{n}": "x" for n in range(500)})


def broken_multipart(services: Services) -> Answer:
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    answer = services.client.post(ADDRESS, content=b"--edge\r\nno header\r\n\r\n", headers=headers)
    return answer.status_code, answer.json()


ROWS: dict[str, Callable[[Services], Answer]] = {
    "empty body": body(bytes),
    "empty file in a form": lambda services: services.form({"file": ("a.png", b"")}),
    "not an image": file("text"),
    "wrong extension and content type": wrong_extension,
    "truncated JPEG": file("jpeg cut short"),
    "truncated PNG": file("png cut short"),
    "truncated WebP": file("webp cut short"),
    "truncated GIF": file("gif cut short"),
    "truncated AVIF": file("avif cut short"),
    "0 x 0": file("png 0 x 0"),
    "1 x 1": file("png 1 x 1"),
    "30,000 x 30,000, whole": body(pictures.png_bomb),
    "30,000 x 30,000, header only": file("png 30,000 x 30,000"),
    "GIF with a screen of 65,535 x 65,535": file("gif 65,535 x 65,535"),
    "GIF with a frame of 65,535 x 65,535": file("gif with a frame of 65,535 x 65,535"),
    "WebP of 16,000,000 x 16,000,000": file("webp 16,000,000 x 16,000,000"),
    "AVIF of 60,000 x 60,000": file("avif 60,000 x 60,000"),
    "PNG with a second, larger header": body(pictures.png_with_two_headers),
    "JPEG of 2,000 scans": body(pictures.jpeg_of_many_scans),
    "GIF comment of 500,000 blocks": body(pictures.gif_of_tiny_blocks),
    "PNG text that unpacks to 96 MB": body(pictures.png_with_text_bomb),
    "PNG colour profile that unpacks to 96 MB": body(pictures.png_with_profile_bomb),
    "EXIF that points at itself 5,000 times": body(pictures.jpeg_with_exif_bomb),
    "broken EXIF": file("jpeg with broken exif"),
    "CMYK JPEG": file("jpeg cmyk"),
    "16-bit PNG": file("png 16-bit"),
    "palette with transparency": file("png palette with transparency"),
    "EXIF rotation": file("jpeg rotated"),
    "embedded ICC profile": file("jpeg with profile"),
    "broken ICC profile": file("jpeg with broken profile"),
    "animated GIF": file("gif animated"),
    "animated WebP": file("webp animated"),
    "animated PNG": file("png animated"),
    "animated AVIF": file("avif animated"),
    "GIF of 10,000 frames": body(pictures.gif_of_many_frames),
    "MPO (two pictures, as phones write)": file("jpeg of two pictures"),
    "bytes appended to a picture": body(lambda: pictures.jpeg() + b"appended" * 1000),
    "picture that makes its decoder crash": body(lambda: pictures.jpeg() + b"decode:segfault"),
    "picture that makes its decoder hang": body(lambda: pictures.jpeg() + b"decode:hang"),
    "HEIC": file("heic"),
    "TIFF": file("tiff"),
    "BMP": file("bmp"),
    "PDF": file("pdf"),
    "SVG": file("svg"),
    "60 MB body": body_of_60_mb,
    "slow body": slow_body,
    "500 files": five_hundred_files,
    "500 fields": five_hundred_fields,
    "broken multipart": broken_multipart,
    "form without a file": lambda services: services.form({"picture": ("a.png", pictures.png())}),
    "unknown multipart field": lambda services: services.form({"file": ("a.png", pictures.png())}, {"colour": "red"}),
    "unknown declaration": lambda services: services.form({"file": ("a.png", pictures.png())}, {"declared_ai": "perhaps"}),
}


def documented() -> dict[str, tuple[str, int, str]]:
    """Input → (result, status, code) of the table in the documentation."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\d{3}) \|(?: `(.+?)`)? \|$", TABLE.read_text(), re.MULTILINE)
    return {name: (result, int(status), code) for name, result, status, code in rows}


def test_the_table_and_the_tests_have_the_same_rows() -> None:
    assert list(documented()) == list(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_bad_input_has_the_documented_answer(name: str, services: Services) -> None:
    result, status, code = documented()[name]
    found, answer = ROWS[name](services)
    assert (found, answer.get("code", "")) == (status, code)
    if status == 200:
        notes = " ".join(answer["image"]["notes"])  # type: ignore[index]
        said = re.findall(r"“(.+?)”", result)
        assert [phrase for phrase in said if phrase not in notes] == []
    else:
        assert answer["status"] == status
        assert answer["detail"]


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(PICTURES)), st.data())
def test_no_damage_to_a_picture_is_an_error_of_ours(services: Services, name: str, data: st.DataObject) -> None:
    damaged = bytearray(PICTURES[name])
    for place in data.draw(st.lists(st.integers(0, 4000), max_size=8)):
        damaged[place % len(damaged)] = data.draw(st.integers(0, 255))
    assert services.post(bytes(damaged))[0] < 500


def test_the_application_is_the_real_one(services: Services) -> None:
    assert isinstance(services.client.app, FastAPI)
