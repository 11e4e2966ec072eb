"""Objects are what their names say, each once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pellucid.base.errors import NotFound
from pellucid.store.objects import ObjectFolder


def test_gives_back_what_was_put_under_the_hash_of_its_bytes(tmp_path: Path) -> None:
    objects = ObjectFolder(tmp_path)
    name = objects.put(b"picture")
    assert name == hashlib.sha256(b"picture").hexdigest()
    assert objects.get(name) == b"picture"


def test_keeps_the_same_bytes_once_and_leaves_no_temporary_files(tmp_path: Path) -> None:
    objects = ObjectFolder(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(objects.put, [b"same"] * 40))
    assert len(names) == 1
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "0" * 64, "A" * 64])
def test_finds_nothing_under_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        ObjectFolder(tmp_path).get(name)
