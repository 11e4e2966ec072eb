"""Commands on the database of a service, running or not: its API keys, and its audit log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.base.errors import ConfigError
from pellucid.base.moments import in_utc
from pellucid.base.tables import show, table
from pellucid.cli_parts import Data, database_at, operator

if TYPE_CHECKING:
    from pellucid.records.audit import Walk
    from pellucid.records.key import Key, Secret

BROKEN = 1

keys_app = typer.Typer(no_args_is_help=True, help="API keys: who may ask the service what.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log: who changed what, in a chain that shows every tampering.")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id: what stands between the underscores.")]
Since = Annotated[str | None, typer.Option(metavar="MOMENT", help="Only from here on (RFC 3339; without a zone UTC).")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(keys_app, name="keys")
    app.add_typer(audit_app, name="audit")


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who holds it: the actor that the audit log keeps.")],
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="A role of the policy PELLUCID_ROLES.")] = None,
    scope: Annotated[list[str] | None, typer.Option(metavar="SCOPE", help="A scope, instead of a role. Repeatable.")] = None,
    days: Annotated[int | None, typer.Option(metavar="N", help="Days until it expires; never if not given.")] = None,
    per_minute: Annotated[int | None, typer.Option(metavar="N", help="Requests a minute; no limit if not given.")] = None,
    data: Data = None,
) -> None:
    """Make a key and print it, once."""
    from pellucid.base.settings import read_settings
    from pellucid.records.actor import load_roles
    from pellucid.records.key import wish
    from pellucid.serve.access import is_open
    from pellucid.store.keys import create_key

    asked = wish(name=name, role=role, scopes=scope or [], expires_in_days=days, per_minute=per_minute)
    settings = read_settings()
    roles = load_roles(settings.roles)
    with database_at(data, make=True) as engine:
        closes = is_open(settings, engine)
        key, secret = create_key(engine, asked, roles, operator(), datetime.now(UTC))
        _print_once(key, secret)
    if closes:
        typer.echo("This is the first key: from now on the service asks for one in every call under /v1.", err=True)
        if "admin" not in key.scopes:
            typer.echo("Nobody may administer over HTTP yet: make another with --role administrator.", err=True)


@keys_app.command("list")
def list_keys(data: Data = None) -> None:
    """All keys, without their secrets."""
    from pellucid.store.keys import all_keys

    with database_at(data) as engine:
        found = all_keys(engine, datetime.now(UTC))
    columns = ("id", "name", "scopes", "state", "created", "expires", "a minute", "last used")
    show(table(None, columns, [_row(key) for key in found]))


@keys_app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, metavar="HOURS", help="How long the secret before is let in; 0 if it leaked.")
    ] = 24,
    data: Data = None,
) -> None:
    """Give a key a new secret and print it, once."""
    from pellucid.store.keys import rotate_key

    with database_at(data) as engine:
        _print_once(*rotate_key(engine, key_id, timedelta(hours=overlap_hours), operator(), datetime.now(UTC)))


@keys_app.command("revoke")
def revoke(key_id: KeyId, data: Data = None) -> None:
    """Let a key in no more, at once and for good."""
    from pellucid.store.keys import revoke_key

    with database_at(data) as engine:
        key = revoke_key(engine, key_id, operator(), datetime.now(UTC))
    typer.echo(f"{key.id} of {key.name} is revoked")


@audit_app.command("verify")
def verify_log(
    since: Since = None,
    checkpoint: Annotated[str | None, typer.Option(metavar="SEQ:HASH", help="One that was kept elsewhere.")] = None,
    data: Data = None,
) -> None:
    """Walk the chain and print its head, a checkpoint to keep elsewhere. Exit status 1 at the first broken entry."""
    from pellucid.records.audit import checkpoint as read_checkpoint
    from pellucid.store.audit import verify

    kept = read_checkpoint(checkpoint) if checkpoint else None
    with database_at(data) as engine:
        found = verify(engine, _moment(since), kept)
    _print_walk(found)


@audit_app.command("export")
def export_log(since: Since = None, data: Data = None) -> None:
    """Print the log, one JSON object a line."""
    from pellucid.store.audit import after_moment, entries

    with database_at(data) as engine:
        for entry in entries(engine, after_moment(engine, _moment(since))):
            typer.echo(json.dumps(entry.fields(), ensure_ascii=False))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return in_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise ConfigError(f"--since is {text!r}; allowed is a moment, as in 2026-11-22 or 2026-11-22T15:04:05+01:00") from error


def _print_once(key: Key, secret: Secret) -> None:
    """The key alone on standard output, for a pipe; what it is on standard error."""
    until = f", the secret before it until {key.overlap_until:%Y-%m-%d %H:%M} UTC" if key.overlap_until else ""
    typer.echo(f"{key.id} of {key.name}: {', '.join(key.scopes)}{until}; the key is shown only now:", err=True)
    typer.echo(secret.text)


def _print_walk(found: Walk) -> None:
    if found.fault is None:
        typer.echo(f"{found.entries} entries, nothing wrong; checkpoint {found.head}")
        return
    typer.echo(f"{found.fault}; sound up to {found.head}", err=True)
    raise typer.Exit(BROKEN)


def _row(key: Key) -> tuple[str, ...]:
    rate = "" if key.per_minute is None else str(key.per_minute)
    expires = f"{key.expires:%Y-%m-%d}" if key.expires else "never"
    used = str(key.last_used or "never")
    return key.id, key.name, ", ".join(key.scopes), key.state, f"{key.created:%Y-%m-%d}", expires, rate, used
