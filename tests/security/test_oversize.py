"""Too long, too deep, too many, too far away in time: each is refused with a stable code, and nothing is an error of ours."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from pellucid.serve.engine import Engine
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

# An id that nothing has; the same in every process, since names of tests are made of it.
NOBODY = "01KANJ5V7ZQ4W4X1T0QK8P3M2C"

JSON = {"Content-Type": "application/json"}
HASH = "ab" * 32
JSON_CALLS = ["/v1/keys", f"/v1/keys/{NOBODY}/rotations", "/v1/analyses/{id}/flags", "/v1/analyses/{id}/rulings"]
DEEP = {
    "lists": "[" * 8000 + "]" * 8000,
    "objects": '{"a":' * 2500 + "1" + "}" * 2500,
    "never closed": "[" * 16_000,
    "inside a field": '{"name":' + "[" * 7000 + "]" * 7000 + "}",
}


@pytest.fixture
def client(make_app: MakeApp) -> Iterator[TestClient]:
    engine = Engine(FakeAnalyser(), embed=lambda data: np.ones(512, dtype=np.float32))
    with TestClient(make_app(engine), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def stored(client: TestClient) -> str:
    return str(client.post("/v1/analyses", content=png()).json()["id"])


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("path", [*JSON_CALLS, "/v1/policies/dry-run"])
def test_json_that_is_too_deep(client: TestClient, stored: str, path: str, deep: str) -> None:
    answer = client.post(path.format(id=stored), content=DEEP[deep], headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("bad-request", "invalid-parameter")


@pytest.mark.parametrize("path", JSON_CALLS)
def test_json_that_is_too_long(client: TestClient, stored: str, path: str) -> None:
    answer = client.post(path.format(id=stored), content=b'{"name": "' + b"a" * 20_000 + b'"}', headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("length", ["17000", "9" * 18, "9" * 5000])
def test_json_that_is_announced_as_too_long_is_not_waited_for(client: TestClient, length: str) -> None:
    for path in ("/v1/keys", "/v1/analyses"):
        wanted = length if path == "/v1/keys" else length + "000000"
        answer = client.post(path, content=b"{", headers={**JSON, "Content-Length": wanted})
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/keys", {"name": "a" * 65, "role": "uploader"}, "name"),
        ("/v1/keys", {"name": "a", "role": "r" * 65}, "role"),
        ("/v1/keys", {"name": "a", "scopes": ["read"], "per_minute": 10**30}, "per_minute"),
        ("/v1/keys", {"name": "a", "scopes": ["read"], "expires_in_days": 10**9}, "expires_in_days"),
        ("/v1/keys", {"name": "a", "scopes": ["read"] * 500 + ["x" * 5000]}, "scopes"),
        (f"/v1/keys/{NOBODY}/rotations", {"overlap_hours": 1e300}, "overlap_hours"),
        ("/v1/analyses/{id}/flags", {"says": "generated", "note": "n" * 2001}, "note"),
        ("/v1/analyses/{id}/flags", {"says": "generated", "actor": "a" * 64}, "actor"),
        ("/v1/analyses/{id}/appeals", {"reason": "r" * 2001}, "reason"),
        ("/v1/analyses/{id}/rulings", {"verdict": "generated", "reason": "r" * 2001}, "reason"),
        ("/v1/analyses/{id}/rulings", {"verdict": "generated", "reason": "r", "reply": "r" * 2001}, "reply"),
        ("/v1/policies/dry-run", {"policy": "x" * 200_001}, "policy"),
        ("/v1/policies/dry-run", {"policy": "x", "reports": 10**9}, "reports"),
        ("/v1/policies/dry-run", {"policy": "x", "cursor": "c" * 201}, "cursor"),
    ],
)
def test_a_field_that_is_too_long_is_named(
    client: TestClient, stored: str, path: str, body: dict[str, object], field: str
) -> None:
    answer = client.post(path.format(id=stored), json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert f"field `{field}" in answer.json()["detail"]
    assert len(answer.content) < 4000, "what was sent is not sent back whole"


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("/v1/analyses?limit=1000", "query parameter `limit`"),
        ("/v1/analyses?limit=" + "9" * 5000, "query parameter `limit`"),
        ("/v1/analyses?cursor=" + "c" * 201, "query parameter `cursor`"),
        ("/v1/search?q=" + "q" * 2001, "query parameter `q`"),
        ("/v1/search?q=a&tag=" + "t" * 65, "query parameter `tag`"),
        ("/v1/analyses/" + "A" * 30_000, "part of the address `analysis_id`"),
        ("/v1/queue?limit=101", "query parameter `limit`"),
        ("/v1/bank-matches?bank=" + "b" * 64, "query parameter `bank`"),
        ("/v1/analyses?" + "&".join(f"x{n}=1" for n in range(2000)), "query parameter `x0`"),
        ("/v1/analyses?" + "x" * 30_000 + "=1", "query parameter `x"),
    ],
    ids=lambda value: value[:40],
)
def test_a_parameter_that_is_too_long_is_named(client: TestClient, address: str, names: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert names in answer.json()["detail"]
    assert len(answer.content) < 4000, "what was sent is not sent back whole"


@pytest.mark.parametrize("key", ["k" * 256, "", "a b", "ключ", "k\tk"])
def test_an_idempotency_key_that_is_none_is_named(client: TestClient, key: str) -> None:
    answer = client.post("/v1/analyses", content=png(), headers={"Idempotency-Key": key.encode()})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert "header `Idempotency-Key`" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b'name="file"; filename="' + b"n" * 3_000_000 + b'"', 400, "bad-multipart"),
        (b'name="' + b"n" * 100_000 + b'"', 400, "bad-multipart"),
        (b'name="file"; filename="a.png"\r\nX: ' + b"x" * 100_000, 400, "bad-multipart"),
        (b'name="file"; filename="a.png"\r\n' + b"X: y\r\n" * 10_000 + b"X: z", 400, "bad-multipart"),
    ],
    ids=["file name", "field name", "header of a part", "headers of a part"],
)
def test_a_part_of_a_form_has_a_short_head(client: TestClient, head: bytes, status: int, code: str) -> None:
    body = b"--e\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + png() + b"\r\n--e--\r\n"
    answer = client.post("/v1/analyses", content=body, headers={"Content-Type": "multipart/form-data; boundary=e"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/analyses?", "/v1/search?q=a&", "/v1/bank-matches?", "/v1/bank-matches.csv?", "/v1/statements?",
        "/v1/statements?format=csv&", "/v1/transparency?", "/v1/analyses/{id}/similar?",
    ],
)  # fmt: skip
def test_a_year_that_utc_has_not_is_named(client: TestClient, stored: str, path: str, name: str, moment: str) -> None:
    """It was an error of ours, and in CSV a file that ended after its header."""
    answer = client.get(f"{path.format(id=stored)}{name}={moment}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")
    assert f"query parameter `{name}`" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (HASH + "," + "a" * 200_000, 422),
        (HASH + ',"never closed', 200),
        ("[" * 100_000, 422),
        ('[{"id": ' + "9" * 5000 + "}]", 422),
        ("\ufeff" + HASH, 200),
        (HASH + ",zero\0byte,a,b", 200),
        ('[{"type": "HASH_PDQ", "indicator": "' + HASH + '", "id": "half \\ud800 and zero \\u0000"}]', 200),
        ('[{"type": "HASH_PDQ", "indicator": "\\ud800"}]', 422),
        ("\ud800".encode("utf-8", "surrogatepass"), 422),
    ],
    ids=["long cell", "open quote", "deep", "long number", "mark", "zero byte", "half character", "half a hash", "no text"],
)
def test_a_list_of_hashes_is_read_or_refused(client: TestClient, content: str | bytes, status: int) -> None:
    answer = client.put("/v1/banks/x?action=note&reason=a", content=content)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["code"] == "bad-exchange-file"
        assert len(answer.content) < 4000


def test_a_reason_with_a_zero_byte_is_refused(client: TestClient) -> None:
    """PostgreSQL keeps none."""
    answer = client.put("/v1/banks/x?action=note&reason=a%00b", content=HASH)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")


def test_a_path_and_a_method_that_are_too_long_are_not_sent_back_whole(client: TestClient) -> None:
    for answer in (client.get("/" + "a" * 30_000), client.request("A" * 3000, "/healthz"), client.get("/v1/" + "é" * 9000)):
        assert answer.status_code in (404, 405)
        assert len(answer.content) < 4000


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/policies/dry-run", f"/v1/analyses/{NOBODY}/flags"])
def test_json_that_does_not_arrive_in_time(serve: Callable[..., int], path: str) -> None:
    """The framework reads it before anyone is asked for a key, so a stranger could have held connections for ever."""
    with socket.create_connection(("127.0.0.1", serve(body_timeout_s=0.5)), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        begun = time.monotonic()
        parts = []
        while part := connection.recv(4096):
            parts.append(part)
    answer = b"".join(parts)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body-too-slow"' in answer
    assert time.monotonic() - begun < 25
