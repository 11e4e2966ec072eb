"""Where there is no PostgreSQL its tests are skipped and say so; in CI, where there must be one, they fail."""

from __future__ import annotations

import pytest

from tests.databases import NEEDED, Missing, without


def test_is_skipped_on_a_machine_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NEEDED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get"):
        without(Missing("apt-get install postgresql"))


def test_fails_where_it_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NEEDED, "1")
    with pytest.raises(pytest.fail.Exception, match="must be one"):
        without(Missing("apt-get install postgresql"))
