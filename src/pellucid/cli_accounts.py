"""`pellucid accounts`: who may sign in to the console. Passwords are typed or come on standard input, never as an argument."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.base.tables import show, table
from pellucid.cli_parts import Data, database_at, operator

if TYPE_CHECKING:
    from pellucid.records.account import Account

accounts_app = typer.Typer(no_args_is_help=True, help="Accounts: who may sign in to the console.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name: the actor that rulings and the audit log keep.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(accounts_app, name="accounts")


@accounts_app.command("create")
def create(
    name: Name,
    role: Annotated[str, typer.Option(metavar="ROLE", help="A role of the policy PELLUCID_ROLES.")] = "moderator",
    password_stdin: FromStdin = False,
    data: Data = None,
) -> None:
    """Make an account; asks for its password, at least 12 characters."""
    from pellucid.base.settings import read_settings
    from pellucid.records.account import check_name
    from pellucid.records.actor import load_roles
    from pellucid.store.accounts import create_account

    roles = load_roles(read_settings().roles)
    check_name(name)
    roles.scopes(role)
    password = _password(password_stdin)
    with database_at(data, make=True) as engine:
        made = create_account(engine, name, role, password, roles, operator(), datetime.now(UTC))
    typer.echo(f"{made.name} may sign in at /console: {', '.join(made.scopes)}")


@accounts_app.command("list")
def list_accounts(data: Data = None) -> None:
    """All accounts, the disabled ones too."""
    from pellucid.store.accounts import all_accounts

    with database_at(data) as engine:
        found = all_accounts(engine)
    show(table(None, ("name", "scopes", "signs in by", "state", "created", "last signed in"), [_row(each) for each in found]))


@accounts_app.command("disable")
def disable(name: Name, data: Data = None) -> None:
    """Sign somebody out everywhere, at once, and let him in no more."""
    from pellucid.store.accounts import disable_account

    with database_at(data) as engine:
        account = disable_account(engine, name, operator(), datetime.now(UTC))
    typer.echo(f"{account.name} is disabled")


@accounts_app.command("enable")
def enable(name: Name, data: Data = None) -> None:
    """Let somebody in again who was disabled."""
    from pellucid.store.accounts import enable_account

    with database_at(data) as engine:
        account = enable_account(engine, name, operator(), datetime.now(UTC))
    typer.echo(f"{account.name} may sign in")


@accounts_app.command("password")
def password(name: Name, password_stdin: FromStdin = False, data: Data = None) -> None:
    """Give an account a new password; its sessions end."""
    from pellucid.store.accounts import set_password

    new = _password(password_stdin)
    with database_at(data) as engine:
        account = set_password(engine, name, new, operator(), datetime.now(UTC))
    typer.echo(f"{account.name} has a new password and is signed out everywhere")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def _row(account: Account) -> tuple[str, ...]:
    by = "OpenID" if account.by_provider else "password"
    state = "active" if account.disabled is None else "disabled"
    last = f"{account.last_signed_in:%Y-%m-%d %H:%M}" if account.last_signed_in else "never"
    return account.name, ", ".join(account.scopes), by, state, f"{account.created:%Y-%m-%d}", last
