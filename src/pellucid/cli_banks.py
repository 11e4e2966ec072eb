"""Commands on the hash banks of a service, running or not: lists of known pictures, and what was found by them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.base.errors import ConfigError, InvalidParameter
from pellucid.base.tables import show, table
from pellucid.cli_parts import Data, database_at, operator

if TYPE_CHECKING:
    from pellucid.records.bank import BankRule

banks_app = typer.Typer(no_args_is_help=True, help="Hash banks: lists of known pictures, and what to do about them.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The bank: small letters, digits, - and _.")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(banks_app, name="banks")


@banks_app.command("import")
def import_bank(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, one hash a line, or JSON, as ThreatExchange's tools write.")],
    action: Annotated[str, typer.Option(metavar="ACTION", help="block, review, limit or note.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="A sentence that moderators can quote.")],
    bound: Annotated[int, typer.Option(metavar="BITS", help="Most bits of 256 that may differ.")] = 31,
    data: Data = None,
) -> None:
    """Make a bank of a file, or replace its entries and rule; a running service uses it from the next picture on."""
    from pellucid.records.exchange import read_exchange
    from pellucid.store.banks import import_bank

    rule = _rule(name=name, action=action, reason=reason, bound=bound)
    try:
        listed = read_exchange(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    with database_at(data, make=True) as database:
        bank = import_bank(database, rule, listed.entries, operator())
    typer.echo(f"{bank.label}: {bank.entries:,} entries, {listed.passed_over:,} passed over; {bank.action} within {bank.bound}")


@banks_app.command("list")
def list_banks(data: Data = None) -> None:
    """All banks with their rules."""
    from pellucid.store.banks import all_banks

    with database_at(data) as database:
        found = [listed.bank for listed in all_banks(database)]
    rows = [
        (bank.label, bank.action, str(bank.bound), f"{bank.entries:,}", f"{bank.changed:%Y-%m-%d %H:%M}", bank.reason)
        for bank in found
    ]
    show(table(None, ("bank", "action", "bound", "entries", "changed", "reason"), rows))


@banks_app.command("remove")
def remove(name: Name, data: Data = None) -> None:
    """Take a bank out of use; matches found before stay in the log."""
    from pellucid.store.banks import remove_bank

    with database_at(data) as database:
        remove_bank(database, name, operator())
    typer.echo(f"{name} is removed")


@banks_app.command("matches")
def matches(
    bank: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this bank.")] = None,
    data: Data = None,
) -> None:
    """Every match found so far as CSV on standard output, oldest first: for the site's legal reporting."""
    from pellucid.records.bank import match_lines
    from pellucid.store.bank_matches import MatchFilters, all_logged_matches

    with database_at(data) as database:
        for line in match_lines(all_logged_matches(database, MatchFilters(bank=bank))):
            sys.stdout.write(line)


def _rule(**values: object) -> BankRule:
    from pydantic import ValidationError

    from pellucid.records.bank import BankRule

    try:
        return BankRule.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise InvalidParameter(f"the bank's rule is wrong: {wrong}") from error
