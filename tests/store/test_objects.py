"""Objects are what their names say, each once; in a folder and in a real S3."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pellucid.base.errors import ConfigError, NotFound
from pellucid.base.ids import new_id
from pellucid.store.objects import Objects, open_objects
from pellucid.store.store import Store
from tests.seaweed import Missing, seaweed


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    try:
        with seaweed() as variables:
            yield variables
    except Missing as why:
        pytest.skip(str(why))


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    if request.param == "folder":
        return open_objects(None, tmp_path / "objects")
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return open_objects(f"s3://pictures/{new_id()}", tmp_path)


def test_gives_back_what_was_put_under_the_hash_of_its_bytes(objects: Objects) -> None:
    name = objects.put(b"picture")
    assert name == hashlib.sha256(b"picture").hexdigest()
    assert objects.get(name) == b"picture"
    assert objects.has(name)


def test_the_same_bytes_may_be_put_by_many_at_once(objects: Objects) -> None:
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(objects.put, [b"same" * 1000] * 40))
    assert [objects.get(name) for name in names] == [b"same" * 1000]


def test_a_folder_keeps_no_second_copy_and_no_temporary_files(tmp_path: Path) -> None:
    objects = open_objects(None, tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(objects.put, [b"same"] * 40))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_what_is_kept_beside_an_object_goes_with_it(objects: Objects) -> None:
    name, other = objects.put(b"picture"), objects.put(b"another")
    assert objects.beside(name, "heatmap-a@1.png") is None
    for owner in (name, other):
        objects.keep_beside(owner, "heatmap-a@1.png", b"drawn of " + owner.encode())
    assert objects.beside(name, "heatmap-a@1.png") == b"drawn of " + name.encode()
    objects.delete(name)
    assert objects.beside(name, "heatmap-a@1.png") is None
    assert objects.beside(other, "heatmap-a@1.png") == b"drawn of " + other.encode()


def test_nothing_is_kept_beside_an_object_that_was_deleted_meanwhile(objects: Objects) -> None:
    name = objects.put(b"picture")
    objects.delete(name)
    objects.keep_beside(name, "heatmap-a@1.png", b"drawn")
    assert objects.beside(name, "heatmap-a@1.png") is None


def test_what_was_deleted_is_gone_and_may_be_deleted_again(objects: Objects) -> None:
    name = objects.put(b"picture")
    objects.delete(name)
    objects.delete(name)
    assert not objects.has(name)
    with pytest.raises(NotFound):
        objects.get(name)


def test_lists_what_is_older_than_a_moment(objects: Objects) -> None:
    name = objects.put(b"picture")
    minute = timedelta(minutes=1)
    assert list(objects.older_than(datetime.now(UTC) + minute)) == [name]
    assert list(objects.older_than(datetime.now(UTC) - minute)) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "0" * 64, "A" * 64])
def test_finds_nothing_under_names_that_are_none(objects: Objects, name: str) -> None:
    with pytest.raises(NotFound):
        objects.get(name)


@pytest.mark.parametrize("url", ["", "s3://", "http://host/bucket", "/folder"])
def test_refuses_addresses_that_are_no_buckets(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="PELLUCID_OBJECTS_URL"):
        open_objects(url, tmp_path)


def test_a_new_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    Store.open(tmp_path / "data").close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
