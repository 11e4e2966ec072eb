"""Commands on what people said of answers: statements of reasons for the database, rulings for training and the gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pellucid.base.errors import ConfigError
from pellucid.base.moments import in_utc

if TYPE_CHECKING:
    from pellucid.base.settings import Settings
    from pellucid.store.store import Store

statements_app = typer.Typer(no_args_is_help=True, help="Statements of reasons (DSA Art. 17).")
rulings_app = typer.Typer(no_args_is_help=True, help="Rulings of moderators, as labels and as the gate's bank.")

Data = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the database; as `serve` takes it.")]
Since = Annotated[str | None, typer.Option(metavar="MOMENT", help="Only from here on (RFC 3339; without a zone UTC).")]
Until = Annotated[str | None, typer.Option(metavar="MOMENT", help="Only before this moment.")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(statements_app, name="statements")
    app.add_typer(rulings_app, name="rulings")


@statements_app.command("export")
def export_statements(
    since: Since = None,
    until: Until = None,
    form: Annotated[
        Literal["json", "csv"], typer.Option("--format", help="JSON lines, or CSV with JSON in the fields that are lists.")
    ] = "json",
    data: Data = None,
) -> None:
    """Print the statements of a period, one a line."""
    from pellucid.feedback.statements import all_of, as_csv
    from pellucid.records.recourse import load_recourse
    from pellucid.store.decisions import Period

    period = Period(_moment("--since", since), _moment("--until", until))
    with _store(data) as (settings, store):
        found = all_of(store, load_recourse(settings.recourse_policy), period)
        lines = as_csv(found) if form == "csv" else (each.model_dump_json() + "\n" for each in found)
        for line in lines:
            typer.echo(line, nl=False)


# A group of one command would take that command's place; with a callback, `export` stays a word to be said.
@rulings_app.callback()
@statements_app.callback()
def _group() -> None: ...


@rulings_app.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the pictures and their lists are written.")],
    since: Since = None,
    until: Until = None,
    data: Data = None,
) -> None:
    """Write the ruled pictures with a CSV for `ingest` and the bank that `gate --bank` reads."""
    from pellucid.feedback.export import export_rulings
    from pellucid.store.decisions import Period

    period = Period(_moment("--since", since), _moment("--until", until))
    with _store(data) as (_, store):
        exported = export_rulings(store, out, period)
    typer.echo(f"{exported.labels} rulings in {out}; of {exported.gone} the picture is not kept any more")


@contextmanager
def _store(data: Path | None) -> Iterator[tuple[Settings, Store]]:
    from pellucid.app import open_store
    from pellucid.base.settings import read_settings

    settings = read_settings(data_dir=data)
    store = open_store(settings)
    try:
        yield settings, store
    finally:
        store.close()


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return in_utc(datetime.fromisoformat(text)) if text else None
    except ValueError as error:
        raise ConfigError(f"{option} is {text!r}; allowed is a moment as 2026-11-01 or 2026-11-01T12:00:00Z") from error
