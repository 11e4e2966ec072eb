"""`pellucid accounts`, as the shell calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pellucid.app import open_store
from pellucid.base.errors import ConfigError, InvalidParameter, NotFound
from pellucid.base.settings import Settings
from pellucid.cli import app

RUNNER = CliRunner()
PASSWORD = "correct horse battery"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "data"


def run(data: Path, *words: str, typed: str = "") -> Result:
    return RUNNER.invoke(app, [*words, "--data", str(data)], input=typed)


def actions(data: Path) -> list[str]:
    lines = [json.loads(line) for line in run(data, "audit", "export").stdout.splitlines()]
    assert all(line["actor"].startswith("cli:") for line in lines)
    return [line["action"] for line in lines]


def test_an_account_is_made_listed_disabled_and_enabled(data: Path) -> None:
    made = run(data, "accounts", "create", "Anna", "--password-stdin", typed=f"{PASSWORD}\nand no more")
    assert made.stdout == "Anna may sign in at /console: read, moderate\n"
    listed = run(data, "accounts", "list").stdout
    assert all(word in listed for word in ("Anna", "read, moderate", "password", "active", "never"))
    assert run(data, "accounts", "disable", "anna").stdout == "Anna is disabled\n"
    assert "disabled" in run(data, "accounts", "list").stdout
    assert run(data, "accounts", "enable", "anna").stdout == "Anna may sign in\n"
    assert actions(data) == ["account.created", "account.disabled", "account.enabled"]


def test_a_password_is_asked_for_twice_and_not_shown(data: Path) -> None:
    result = run(data, "accounts", "create", "Anna", "--role", "administrator", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "Anna may sign in" in result.stdout
    assert PASSWORD not in result.output
    assert "signed out everywhere" in run(data, "accounts", "password", "Anna", typed="another one, longer\n" * 2).stdout
    assert actions(data) == ["account.created", "account.password_set"]


@pytest.mark.parametrize(
    ("words", "typed", "kind"),
    [
        (("create", "Anna", "--password-stdin"), "short\n", InvalidParameter),
        (("create", "Anna", "--role", "king", "--password-stdin"), f"{PASSWORD}\n", InvalidParameter),
        (("create", "local", "--password-stdin"), f"{PASSWORD}\n", InvalidParameter),
        (("disable", "Bert"), "", NotFound),
        (("password", "Bert", "--password-stdin"), f"{PASSWORD}\n", NotFound),
    ],
)
def test_says_what_is_wrong(data: Path, words: tuple[str, ...], typed: str, kind: type[Exception]) -> None:
    open_store(Settings(data_dir=data)).close()
    assert isinstance(run(data, "accounts", *words, typed=typed).exception, kind)
    assert actions(data) == []


def test_the_first_account_makes_the_database_and_says_so(data: Path) -> None:
    first = run(data, "accounts", "create", "Anna", "--password-stdin", typed=PASSWORD)
    assert f"a new database is made in {data}" in first.stderr
    assert isinstance(run(data.with_name("elsewhere"), "accounts", "list").exception, ConfigError)


def test_no_option_takes_a_password(data: Path) -> None:
    """It would be seen in the list of processes and kept by shells."""
    assert run(data, "accounts", "create", "Anna", "--password", PASSWORD).exit_code == 2
