"""What is sent cannot hurt: size, time, parts, and more at once than there is room for."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.pictures import jpeg, png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

Serve = Callable[..., int]
MIB = 1 << 20


def test_refuses_a_60_mb_body_from_its_announced_length(serve: Serve) -> None:
    """The client goes on sending, as most do, and still receives the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", serve(), timeout=20)
    connection.request("POST", "/v1/analyses", body=bytes(60 * MIB))
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body-too-large")


def test_refuses_at_the_first_byte_over_the_limit_where_no_length_is_announced(serve: Serve) -> None:
    with socket.create_connection(("127.0.0.1", serve(max_body_bytes=1000)), timeout=10) as connection:
        connection.sendall(b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"3E8\r\n" + bytes(1000) + b"\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(b"1\r\nx\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_refuses_a_body_that_does_not_arrive_in_time(serve: Serve) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", serve(body_timeout_s=0.5)), timeout=10) as connection:
        connection.sendall(b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        _drip(connection)
        answer = _all_of(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"body-too-slow"' in answer
    assert time.monotonic() - begun < 5


def test_refuses_more_bytes_at_one_time_than_may_be_held(make_app: MakeApp) -> None:
    with TestClient(make_app(max_open_bytes=100)) as client:
        answer = client.post("/v1/analyses", content=jpeg())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "1")


def test_bytes_are_given_back_after_every_request_whatever_became_of_it(make_app: MakeApp) -> None:
    app = make_app()
    with TestClient(app) as client:
        for body in (png(), b"no picture", b"", bytes(40 * MIB)):
            client.post("/v1/analyses", content=body)
        assert app.state.service.open_bytes.held == 0


def test_refuses_500_parts(client: TestClient) -> None:
    picture = png()
    answer = client.post("/v1/analyses", files=[("file", (f"{n}.png", picture)) for n in range(500)])
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-multipart")
    fields = client.post("/v1/analyses", files={"file": ("a.png", picture)}, data={f"field{n}": "x" for n in range(500)})
    assert (fields.status_code, fields.json()["code"]) == (400, "bad-multipart")


@pytest.mark.parametrize(
    ("files", "data", "status", "code"),
    [
        ({"picture": ("a.png", png())}, {}, 400, "bad-request"),
        ({"file": ("a.png", png())}, {"colour": "red"}, 400, "bad-request"),
        ({"file": ("a.png", png())}, {"declared_ai": "perhaps"}, 422, "invalid-parameter"),
        ({"file": ("a.png", png())}, {"declared_ai": "x" * 100_000}, 400, "bad-multipart"),
        ({"file": ("a.png", b"")}, {}, 400, "empty-body"),
        ({}, {"file": "text"}, 415, "not-an-image"),
    ],
)
def test_refuses_forms_it_does_not_understand(
    client: TestClient, files: dict[str, tuple[str, bytes]], data: dict[str, str], status: int, code: str
) -> None:
    answer = client.post("/v1/analyses", files=files or None, data=data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@given(body=st.binary(max_size=400), boundary=st.text("ab-\"'; ", max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_no_multipart_body_is_ever_an_error_of_ours(client: TestClient, body: bytes, boundary: str) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    for content in (body, b"--" + boundary.encode() + b"\r\n" + body):
        assert 400 <= client.post("/v1/analyses", content=content, headers=headers).status_code < 500


def test_sends_away_what_the_queue_cannot_hold_and_answers_the_rest(make_app: MakeApp) -> None:
    analyser = FakeAnalyser()
    analyser.gate.clear()
    with TestClient(make_app(analyser, threads=1, queue_limit=2)) as client, ThreadPoolExecutor(3) as senders:
        accepted = [senders.submit(client.post, "/v1/analyses", content=png(seed=seed)) for seed in range(3)]
        _wait_until(lambda: b"pellucid_queue_depth 2.0" in client.get("/metrics").content)
        refused = client.post("/v1/analyses", content=png(seed=9))
        analyser.gate.set()
        assert [answer.result().status_code for answer in accepted] == [200, 200, 200]
        _wait_until(lambda: b"pellucid_in_flight 0.0" in client.get("/metrics").content)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "1")


def test_gives_up_on_a_picture_that_takes_too_long(make_app: MakeApp) -> None:
    with TestClient(make_app(FakeAnalyser(seconds=0.6), analysis_timeout_s=0.1)) as client:
        answer = client.post("/v1/analyses", content=png())
        assert (answer.status_code, answer.json()["code"]) == (503, "analysis-too-slow")


def test_a_model_that_is_late_is_not_taken_for_the_whole_answer(make_app: MakeApp) -> None:
    class Late(FakeAnalyser):
        def analyse(self, *_: object, **__: object) -> NoReturn:
            raise TimeoutError

    with TestClient(make_app(Late())) as client:
        answer = client.post("/v1/analyses", content=png())
    assert (answer.status_code, answer.json()["code"]) == (503, "analysis-too-slow")
    assert "a model took too long" in answer.json()["detail"]


def test_many_at_once_lose_and_swap_nothing(serve: Serve) -> None:
    port = serve(FakeAnalyser(seconds=0.005))
    bodies = {f"{seed}.png": png(24, 24, seed=seed) for seed in range(60)}

    def send(name: str) -> tuple[str, str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        edge = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        connection.request("POST", "/v1/analyses", edge + bodies[name] + b"\r\n--edge--\r\n", headers)
        report = json.loads(connection.getresponse().read())
        connection.close()
        return name, report["source"], report["image"]["bytes"]

    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(send, bodies))
    assert answers == [(name, name, len(body)) for name, body in bodies.items()]


def _drip(connection: socket.socket) -> None:
    """A byte every 50 ms until the other side has had enough."""

    def send() -> None:
        try:
            for _ in range(60):
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            return

    threading.Thread(target=send, daemon=True).start()


def _all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes; a byte that is dripped after that resets the connection, which is its end too."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(4096):
            parts.append(part)
    return b"".join(parts)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
