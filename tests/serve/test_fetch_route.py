"""A picture given by its address over the API, from a real server on loopback that only a setting can allow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from starlette.testclient import TestClient

from tests.pictures import png
from tests.serve.conftest import MakeApp


class Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = png() if self.path.startswith("/a.png") else b"no picture"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def fetching(make_app: MakeApp, port: int) -> Iterator[TestClient]:
    app = make_app(fetch_urls=True, fetch_ports=(port,), fetch_networks="127.0.0.1/32", max_field_bytes=4096)
    with TestClient(app) as client:
        yield client


def test_a_fetched_picture_is_answered_under_its_address(fetching: TestClient, port: int) -> None:
    asked = {"url": f"http://127.0.0.1:{port}/a.png?token=secret", "declared_ai": "generated"}
    answer = fetching.post("/v1/analyses", json=asked)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["source"] == f"http://127.0.0.1:{port}/a.png"
    assert report["verdict"]["label"] == "generated"
    sent = fetching.post("/v1/analyses", content=png()).json()
    assert sent["image"]["sha256"] == report["image"]["sha256"]
    assert fetching.app.state.service.open_bytes.held == 0  # type: ignore[attr-defined]


def test_what_is_fetched_and_is_no_picture_is_refused_as_if_it_was_sent(fetching: TestClient, port: int) -> None:
    answer = fetching.post("/v1/analyses", json={"url": f"http://127.0.0.1:{port}/b"})
    assert (answer.status_code, answer.json()["code"]) == (415, "not-an-image")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"url": "http://169.254.169.254/"}', "address-refused"),
        (b'{"url": "http://127.0.0.1:1/"}', "address-refused"),
        (b'{"url": 3}', "invalid-parameter"),
        (b"{}", "invalid-parameter"),
        (b"[]", "invalid-parameter"),
        (b'{"url": "http://127.0.0.1/", "fetch_networks": "0.0.0.0/0"}', "invalid-parameter"),
        (b'{"url": "http://127.0.0.1/", "declared_ai": "maybe"}', "invalid-parameter"),
        (b'{"url"', "bad-request"),
        (b"\xff\xfe", "bad-request"),
        (b"", "empty-body"),
        (b'{"url": "' + b"a" * 5000 + b'"}', "body-too-large"),
    ],
)
def test_what_is_no_address_is_refused_with_its_own_code(fetching: TestClient, body: bytes, code: str) -> None:
    answer = fetching.post("/v1/analyses", content=body, headers={"content-type": "application/json"})
    assert answer.json()["code"] == code


def test_nothing_is_fetched_where_the_site_has_not_switched_it_on(client: TestClient, port: int) -> None:
    answer = client.post("/v1/analyses", json={"url": f"http://127.0.0.1:{port}/a.png"})
    assert (answer.status_code, answer.json()["code"]) == (403, "fetch-disabled")
