"""`pellucid keys` and `pellucid audit`, as the shell calls them."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pellucid.base.errors import ConfigError
from pellucid.cli import app, main
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
    assert "first key" in result.stderr
    assert "make another with --role administrator" in result.stderr
    assert "first key" not in run(data, "keys", "create", "other-app", "--role", "platform").stderr
    listed = run(data, "keys", "list").stdout
    assert all(word in listed for word in ("photo-app", "active", "600", "never"))
    assert result.stdout.strip()[-64:] not in listed


def test_what_is_closed_already_is_not_said_to_close(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_API_KEYS", "0123456789abcdef0123456789abcdef")
    assert "first key" not in run(data, "keys", "create", "photo-app", "--role", "platform").stderr


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


@pytest.mark.parametrize("words", [("keys", "list"), ("keys", "revoke", "01KAN"), ("audit", "verify"), ("banks", "list")])
def test_a_folder_without_a_database_is_a_slip_and_none_is_made(data: Path, words: tuple[str, ...]) -> None:
    result = run(data, *words)
    assert isinstance(result.exception, ConfigError)
    assert f"there is no database in {data}" in result.exception.detail
    assert not data.exists()


def test_a_new_database_is_made_for_the_first_key_and_that_is_said_once(data: Path) -> None:
    first = run(data, "keys", "create", "one", "--role", "platform")
    assert f"a new database is made in {data}" in first.stderr
    assert parse(first.stdout.strip()), "standard output holds the key alone"
    assert "a new database" not in run(data, "keys", "create", "two", "--role", "platform").stderr


@pytest.mark.parametrize("columns", ["80", "100"])
def test_an_id_in_the_list_is_whole_on_a_narrow_terminal(data: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    key_id = made(data, "a-rather-long-name-of-a-platform", "--role", "administrator", "--days", "90", "--per-minute", "600")
    monkeypatch.setenv("COLUMNS", columns)
    assert key_id in run(data, "keys", "list").stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["keys", "create", "app", "--scope", "reed"], 2),
        (["keys", "create", "app", "--role", "nobody"], 2),
        (["keys", "create", "app"], 2),
        (["keys", "create", "no good\n", "--role", "platform"], 2),
        (["keys", "create", "app", "--role", "platform", "--days", "0"], 2),
        (["keys", "create", "app", "--days", "many"], 2),
        (["keys", "create"], 2),
        (["audit", "verify", "--checkpoint", "17"], 2),
        (["audit", "verify", "--since", "yesterday"], 2),
        (["audit", "verify", "--since", "0001-01-01T00:00:00+23:59"], 2),
        (["banks", "import", "Bad Name", "list", "--action", "note", "--reason", "r"], 2),
        (["keys", "revoke", "01KANJ5V7ZQ4W4X1T0QK8P3M2C"], 1),
    ],
)
def test_what_is_wrongly_asked_ends_with_2_and_what_fails_with_1(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], status: int
) -> None:
    made(data, "first", "--scope", "read")
    monkeypatch.setattr(sys, "argv", ["pellucid", *words, *([] if words == ["keys", "create"] else ["--data", str(data)])])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error
