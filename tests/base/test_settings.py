"""Settings come from the environment, and a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.base.errors import ConfigError
from pellucid.base.settings import read_settings

KEY = "0123456789abcdef"


def test_reads_the_environment_and_lets_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_PORT", "8123")
    monkeypatch.setenv("PELLUCID_DATA_DIR", "elsewhere")
    settings = read_settings(port=8200, data_dir=None)
    assert (settings.port, settings.data_dir) == (8200, Path("elsewhere"))


def test_reads_keys_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_API_KEYS", f"{KEY}, {KEY}2,")
    assert read_settings().api_keys == (KEY, KEY + "2")


def test_names_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_PORT", "99999")
    with pytest.raises(ConfigError, match=r"PELLUCID_PORT.*65535"):
        read_settings()


def test_a_key_that_is_too_short_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="PELLUCID_API_KEYS") as refused:
        read_settings(api_keys="hunter2")
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_knows_where_others_can_reach_it(host: str) -> None:
    assert not read_settings(host=host).on_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_knows_loopback(host: str) -> None:
    assert read_settings(host=host).on_loopback


def test_limits_are_those_of_the_settings() -> None:
    limits = read_settings(max_pixels=100, max_side=20, min_side=2).limits
    assert (limits.max_pixels, limits.max_side, limits.min_side) == (100, 20, 2)
