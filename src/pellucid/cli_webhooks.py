"""`pellucid webhooks`: what the site was told and what did not arrive, for whoever has the database and no API key at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pellucid.base.errors import ConfigError
from pellucid.base.tables import show, table

if TYPE_CHECKING:
    from pellucid.store.deliveries import Outbox

Data = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the service's data, as of `serve`.")]


def add_commands(app: typer.Typer) -> None:
    webhooks = typer.Typer(no_args_is_help=True, help="Look at webhooks that were sent, and send dead ones again.")
    webhooks.command("list")(list_webhooks)
    webhooks.command("replay")(replay_webhooks)
    app.add_typer(webhooks, name="webhooks")


def list_webhooks(
    state: Annotated[Literal["waiting", "delivered", "dead"] | None, typer.Option(help="Only these; all if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest.")] = 50,
    data: Data = None,
) -> None:
    """Webhooks, newest first: what they told of, how often they were tried, and why the last attempt failed."""
    with _outbox(data) as outbox:
        found = outbox.page(state, None, limit)
    rows = [
        (each.id, each.event, each.analysis or "", each.state, str(each.attempts), str(each.status or ""), each.problem or "")
        for each in found
    ]
    show(table(None, ("id", "event", "analysis", "state", "attempts", "status", "problem"), rows))


def replay_webhooks(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Dead or delivered ones, by their ids.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead ones.")] = False,
    data: Data = None,
) -> None:
    """Let a running service send them again, with all attempts they had at first. Exit status 1 if there is no such webhook."""
    if bool(ids) == dead:
        raise ConfigError("nothing to replay was named, or too much; give ids, or --dead for all dead ones")
    with _outbox(data) as outbox:
        for each in ids or []:
            outbox.replay(each)
        count = outbox.replay_dead() if dead else len(ids or [])
    typer.echo(f"{count} to be sent again")


@contextmanager
def _outbox(data: Path | None) -> Iterator[Outbox]:
    from pellucid.app import open_store
    from pellucid.base.settings import read_settings

    store = open_store(read_settings(data_dir=data))
    try:
        yield store.outbox
    finally:
        store.close()
