"""Roles are sets of scopes in a file, and a mistake in it is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.base.errors import ConfigError, InvalidParameter
from pellucid.records.actor import SCOPES, in_order, load_roles


def test_the_shipped_roles_are_those_of_the_design() -> None:
    roles = load_roles()
    assert set(roles.roles) == {"uploader", "platform", "moderator", "administrator"}
    assert roles.scopes("administrator") == set(SCOPES)
    assert "moderate" not in roles.scopes("platform")


def test_a_site_brings_its_own(tmp_path: Path) -> None:
    file = tmp_path / "roles.toml"
    file.write_text('name = "ours"\nversion = 2\n[roles]\nauditor = ["read"]\n')
    assert load_roles(file).scopes("auditor") == {"read"}
    with pytest.raises(InvalidParameter, match="ours@2 has auditor"):
        load_roles(file).scopes("platform")


@pytest.mark.parametrize("roles", ['auditor = ["raed"]', "auditor = []", 'auditor = "read"'])
def test_a_mistake_is_named_with_its_line(tmp_path: Path, roles: str) -> None:
    file = tmp_path / "roles.toml"
    file.write_text(f'name = "ours"\nversion = 2\n[roles]\n{roles}\n')
    with pytest.raises(ConfigError, match=r"roles.toml:4: roles.auditor"):
        load_roles(file)


def test_scopes_always_read_in_the_same_order() -> None:
    assert in_order({"admin", "read", "analyse"}) == ["analyse", "read", "admin"]
