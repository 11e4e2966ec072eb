"""docs/threats.md names tests that exist, and every threat names one; two that have no better place are here."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from pellucid.feedback.statements import as_csv
from pellucid.records.statement import Fields
from tests.pictures import png
from tests.security.conftest import Logs
from tests.serve.conftest import MakeApp

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threats.md").read_text()
# Made beside this; a folder is named and not each test.
FOLDERS = {"tests/console/", "tests/browser/"}
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)) - FOLDERS - {"tests/security/test_threats.py"})
SECTIONS = (
    "Uploads and HTTP", "Bytes", "Addresses", "Keys", "What leaves", "What is loaded", "Database", "The models", "Privacy",
)  # fmt: skip


@cache
def names_in(path: str) -> frozenset[str]:
    file = ROOT / path
    assert file.is_file(), f"there is no {path}"
    return frozenset(node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))


def threats() -> list[list[str]]:
    """The cells of every row of a table of threats."""
    rows = []
    for section in TEXT.split("\n## ")[1:]:
        if "| threat |" in section:
            lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
            rows += [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert test in names_in(path), f"docs/threats.md names {name}"


def test_every_threat_names_its_test_or_says_what_is_left() -> None:
    rows = threats()
    assert len(rows) > 50
    assert not [row for row in rows if len(row) != 4]
    assert not [row[0] for row in rows if not row[2] and not row[3]]
    assert len([row for row in rows if not row[2]]) <= 1
    assert all(any(name in part.partition("\n")[0] for part in TEXT.split("\n## ")) for name in SECTIONS)


def test_every_module_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:base|serve|store|analyse|records|runtime|feedback)/\w+\.py)`", TEXT))
    assert len(named) > 12
    assert not [name for name in named if not (ROOT / "src" / "pellucid" / name).is_file()]


def test_a_reason_that_a_spreadsheet_would_run_is_disarmed() -> None:
    """A moderator's words stand in a CSV of statements of reasons."""
    lists = ("decision_visibility", "content_type", "category_specification", "territorial_scope")
    blank: dict[str, Any] = {name: [] if name in lists else "" for name in Fields.model_fields}
    made = Fields.model_construct(**{**blank, "decision_facts": "=HYPERLINK(1)", "puid": "+1", "category": "plain -1"})
    cells = list(as_csv(iter([made])))[1]
    assert "'=HYPERLINK(1)" in cells
    assert cells.startswith("'+1,")
    assert "plain -1" in cells


def test_an_error_of_the_database_tells_nothing_of_what_was_asked(make_app: MakeApp, logs: Logs) -> None:
    stream = logs()
    app = make_app()
    with TestClient(app, raise_server_exceptions=False) as client:
        database = app.state.service.store.database
        with pytest.raises(DBAPIError) as caught, database.connect() as connection:
            connection.execute(text("SELECT :name FROM nowhere"), {"name": "private-words"})
        assert "private-words" not in str(caught.value)
        with database.begin() as connection:
            connection.execute(text("DROP TABLE search_tags"))
        assert client.post("/v1/analyses", files={"file": ("private-words.png", png())}).status_code == 500
    assert "no such table" in stream.getvalue()
    assert "private-words" not in stream.getvalue()
