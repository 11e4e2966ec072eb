"""`pellucid keys` and `pellucid audit`, as the shell calls them."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pellucid.cli import app
from pellucid.records.key import parse

RUNNER = CliRunner()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "data"


def run(data: Path, *words: str) -> Result:
    return RUNNER.invoke(app, [*words, "--data", str(data)])


def made(data: Path, *words: str) -> str:
    """The id of a new key."""
    key = parse(run(data, "keys", "create", *words).stdout.strip())
    assert key is not None
    return key.id


def test_a_key_alone_is_on_standard_output(data: Path) -> None:
    result = run(data, "keys", "create", "photo-app", "--role", "platform", "--days", "90", "--per-minute", "600")
    assert re.fullmatch(r"pel_[0-9A-Z]{26}_[0-9a-f]{64}\n", result.stdout)
    assert "analyse, read, flag, appeal" in result.stderr
    listed = run(data, "keys", "list").stdout
    assert all(word in listed for word in ("photo-app", "active", "600", "never"))
    assert result.stdout.strip()[-64:] not in listed


def test_rotates_and_revokes(data: Path) -> None:
    key_id = made(data, "app", "--scope", "read", "--scope", "flag")
    rotated = run(data, "keys", "rotate", key_id, "--overlap-hours", "2")
    assert rotated.stdout.startswith(f"pel_{key_id}_")
    assert "until" in rotated.stderr
    assert run(data, "keys", "revoke", key_id).stdout == f"{key_id} of app is revoked\n"
    assert "revoked" in run(data, "keys", "list").stdout


def test_the_log_is_exported_and_verified(data: Path) -> None:
    key_id = made(data, "app", "--scope", "read")
    run(data, "keys", "revoke", key_id)
    lines = [json.loads(line) for line in run(data, "audit", "export").stdout.splitlines()]
    assert [(line["seq"], line["action"], line["subject"]) for line in lines] == [
        (1, "key.created", key_id),
        (2, "key.revoked", key_id),
    ]
    assert all(line["actor"].startswith("cli:") for line in lines)
    assert run(data, "audit", "export", "--since", "2999-01-01").stdout == ""
    checkpoint = f"2:{lines[1]['hash']}"
    assert run(data, "audit", "verify").stdout == f"2 entries, nothing wrong; checkpoint {checkpoint}\n"
    assert run(data, "audit", "verify", "--checkpoint", checkpoint, "--since", "2026-01-01T00:00:00+01:00").exit_code == 0


def test_tampering_is_said_and_ends_with_1(data: Path) -> None:
    for name in ("one", "two", "three"):
        made(data, name, "--scope", "read")
    with sqlite3.connect(data / "pellucid.sqlite") as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    connection.close()
    result = run(data, "audit", "verify")
    assert result.exit_code == 1
    assert result.stderr.startswith("entry 2 was changed: its hash is not that of what it says; sound up to 1:")
    assert run(data, "audit", "verify", "--checkpoint", f"1:{'0' * 64}").exit_code == 1


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--checkpoint", "17")])
def test_refuses_moments_and_checkpoints_that_are_none(data: Path, words: tuple[str, str]) -> None:
    assert run(data, "audit", "verify", *words).exception is not None
