"""`pellucid webhooks`: dead ones are shown and sent again without the service's help."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pellucid.base.errors import ConfigError, NotFound
from pellucid.base.ids import new_id
from pellucid.cli import app
from pellucid.records.event import Event
from pellucid.store.database import writing
from pellucid.store.deliveries import add_event
from pellucid.store.store import Store

PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """The id of a webhook that never arrived."""
    store = Store.open(tmp_path)
    with writing(store.database) as connection:
        add_event(connection, Event("analysis.answered", new_id(), {}))
    (delivery,) = store.outbox.take(1)
    store.outbox.failed(delivery, 500, "the receiver answered with status 500", again_in_s=None)
    store.close()
    return delivery.id


def run(*words: str) -> str:
    found = CliRunner().invoke(app, ["webhooks", *words], env=PLAIN, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_lists_what_did_not_arrive_and_why(dead: str, tmp_path: Path) -> None:
    assert dead in run("list", "--state", "dead", "--data", str(tmp_path))
    assert "status 500" in run("list", "--data", str(tmp_path))
    assert dead not in run("list", "--state", "delivered", "--data", str(tmp_path))


@pytest.mark.parametrize("by", ["id", "state"])
def test_sends_again_what_is_named(dead: str, tmp_path: Path, by: str) -> None:
    words = [dead] if by == "id" else ["--dead"]
    assert run("replay", *words, "--data", str(tmp_path)) == "1 to be sent again\n"
    assert dead in run("list", "--state", "waiting", "--data", str(tmp_path))


def test_says_what_it_cannot_send_again(dead: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        run("replay", new_id(), "--data", str(tmp_path))
    for words in ([], [dead, "--dead"]):
        with pytest.raises(ConfigError, match="give ids, or --dead"):
            run("replay", *words, "--data", str(tmp_path))
