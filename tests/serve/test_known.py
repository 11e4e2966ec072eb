"""The banks a process holds are whole, whatever is imported while it reads them; on every database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pellucid.records.bank import BankRule, Entry
from pellucid.serve.known import KnownPictures
from pellucid.store.banks import import_bank
from pellucid.store.store import Store
from tests.databases import KINDS, new_database

RULE = BankRule(name="known", action="block", reason="On a list.")
OLD, NEW = "0f" * 32, "f0" * 32


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = None if request.param == "sqlite" else new_database(request.getfixturevalue("postgresql_server"))
    store = Store.open(tmp_path, url)
    yield store
    store.close()


def test_a_bank_that_is_replaced_while_it_is_read_is_read_again(store: Store) -> None:
    import_bank(store.database, RULE, [Entry(pdq=OLD)], "ann")
    replaced = []

    def replace_at_once(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "bank_entries" in statement and statement.startswith("SELECT") and not replaced:
            replaced.append(statement)
            import_bank(store.database, RULE, [Entry(pdq=NEW)], "bob")

    known = KnownPictures(store)
    event.listen(store.database, "before_cursor_execute", replace_at_once)
    banks = known.banks()
    assert replaced
    assert [match.hash for match in banks.matches([NEW], 100)] == [NEW]
    assert banks.matches([OLD], 100) == []
