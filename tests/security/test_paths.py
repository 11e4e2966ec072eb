"""Nothing in an id, a bank's name or an object's name leads anywhere but to a row or an object of that name."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pellucid.base.errors import NotFound
from pellucid.base.ids import ALPHABET, new_id
from pellucid.store.object_folder import ObjectFolder
from tests.pictures import png
from tests.serve.test_access import routes

CODES = {"invalid-parameter", "not-found", "method-not-allowed"}
# What leads upwards, ends strings early, or is another letter once folded.
PIECES = [
    "..",
    ".",
    "/",
    "\\",
    "%2e",
    "%2f",
    "%5c",
    "%00",
    "\0",
    "\n",
    "\r",
    "~",
    "…",
    "．",
    "／",
    "\u202e",
    "é",
    "'",
    ";",
    "*",
    "?",
]
hostile = st.lists(st.sampled_from(PIECES) | st.text(ALPHABET + "abcxyz", max_size=4), min_size=1, max_size=12).map("".join)
per_client = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)


def addresses(app: FastAPI, value: str) -> list[tuple[str, str]]:
    """Every call that has an id or a name in its address, with `value` there."""
    found = [route for route in routes(app) if "{" in route.path and not route.path.startswith("/console")]
    return [(route.method, re.sub(r"{[^}]*}", lambda _: value, route.path)) for route in found]


@given(hostile | st.text(min_size=1, max_size=40))
@example("../../../etc/passwd")
@example("..%2f..%2fetc%2fpasswd")
@example("01KANJ5V7ZQ4W4X1T0QK8P3M2C\n")
@example("01KANJ5V7ZQ4W4X1T0QK8P3M2C/../01KANJ5V7ZQ4W4X1T0QK8P3M2C")
@example("８" + "0" * 25)
@per_client
def test_an_id_that_is_none_is_refused_whatever_it_is_made_of(client: TestClient, value: str) -> None:
    app: FastAPI = client.app  # type: ignore[assignment]
    for encoded in {quote(value, safe="", errors="replace"), quote(value, safe="/%", errors="replace")}:
        if {".", ".."} & set(encoded.split("/")):  # the client takes these out, as browsers do: another call's address
            continue
        for method, address in addresses(app, encoded)[::7]:
            answer = client.request(method, address, follow_redirects=False)
            assert 400 <= answer.status_code < 500, (method, address, answer.status_code)
            assert answer.json()["code"] in CODES, (method, address, answer.text)


@pytest.mark.parametrize("value", ["../x", "..%2Fx", "%2e%2e%2fx", "a/b", "a%00b", "A" * 63 + "b", "a" * 64, "é", "-a", "a b"])
def test_a_bank_is_named_by_its_pattern_alone(client: TestClient, value: str) -> None:
    answer = client.put(f"/v1/banks/{value}?action=note&reason=a", content="0" * 64, headers={"content-type": "text/plain"})
    assert answer.status_code in (404, 405, 422)
    assert client.get("/v1/banks").json()["items"] == []


def test_every_call_refuses_an_id_with_an_encoded_slash(client: TestClient) -> None:
    app: FastAPI = client.app  # type: ignore[assignment]
    found = {(method, client.request(method, address).status_code) for method, address in addresses(app, f"..%2f{new_id()}")}
    assert {status for _, status in found} <= {404, 405, 422}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(hostile | st.text(max_size=70), hostile | st.text(min_size=1, max_size=40))
@per_client
def test_no_object_name_reaches_a_file_that_is_no_object(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    objects = ObjectFolder(tmp_path / "objects")
    kept = objects.put(b"picture")
    objects.keep_beside(kept, "heatmap-a@1.png", b"map")
    before = snapshot(tmp_path)
    for ask in (
        lambda: objects.get(name),
        lambda: objects.delete(name),
        lambda: objects.keep_beside(name, "x", b"evil"),
        lambda: objects.keep_beside(kept, what, b"evil"),
        lambda: objects.beside(name, "x"),
        lambda: objects.beside(kept, what),
        lambda: objects.has(name),
    ):
        with contextlib.suppress(NotFound):
            ask()
    after = snapshot(tmp_path)
    beside = {path for path in after if ".beside/" in path}
    assert {path: after[path] for path in after if path in before} == before
    # Only a plain name is kept, beside its object.
    assert set(after) - set(before) <= {f"objects/{kept[:2]}/{kept[2:4]}/{kept}.beside/{what}"}
    objects.delete(kept)
    assert set(snapshot(tmp_path)) == {"secret"}, beside


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "x", "AB" * 32, "ab" * 32 + "\n", "ab" * 31 + "/.", "é" * 64])
def test_a_name_that_is_no_hash_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        ObjectFolder(tmp_path).get(name)


@pytest.mark.parametrize("what", ["../../secret", "/secret", "", ".", "..", "a/b", "a\0b", "a\nb", ".hidden", "a" * 200])
def test_what_is_kept_beside_an_object_has_a_plain_name(tmp_path: Path, what: str) -> None:
    objects = ObjectFolder(tmp_path)
    kept = objects.put(b"picture")
    for ask in (lambda: objects.keep_beside(kept, what, b"x"), lambda: objects.beside(kept, what)):
        with pytest.raises(NotFound):
            ask()


@pytest.mark.parametrize("tail", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "..%5capp.py", "%2fetc%2fpasswd", "a%00b", ""])
def test_the_assets_of_the_documentation_are_all_that_is_served_of_the_disk(client: TestClient, tail: str) -> None:
    answer = client.get(f"/docs/assets/{tail}", follow_redirects=False)
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\x\\y.png", "a\0b.png", "\u202egnp.exe", "a" * 5000])
def test_a_file_name_is_told_back_and_names_nothing_here(client: TestClient, tmp_path: Path, name: str) -> None:
    """The tail of a name of any length is kept as text; on the disk the picture is called by its hash."""
    answer = client.post("/v1/analyses", files={"file": (name, png())})
    if answer.status_code == 400:
        assert answer.json()["code"] == "bad-multipart"
        return
    assert len(answer.json()["source"]) <= 1024
    stored = [path.name for path in (tmp_path / "data" / "objects").rglob("*") if path.is_file()]
    assert stored == [answer.json()["image"]["sha256"]]
