"""Accounts, their sessions and their failed sign-ins, over SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Engine, text, update

from pellucid.base.errors import InvalidParameter, NotFound, SignInFailed, TooManySignIns
from pellucid.records.account import Account, Identity
from pellucid.records.actor import load_roles
from pellucid.records.password import NOBODYS, is_outdated, is_right
from pellucid.records.session import Token
from pellucid.store.accounts import (
    all_accounts,
    create_account,
    disable_account,
    enable_account,
    is_anyone_known,
    set_password,
)
from pellucid.store.audit import entries, verify
from pellucid.store.database import writing
from pellucid.store.sessions import Lifetime, end_session, session_of
from pellucid.store.sign_in_failures import count_attempt, counters, wait_s
from pellucid.store.signing_in import Attempt, announce, note_failure, sign_in, sign_in_identity
from pellucid.store.store import Store
from pellucid.store.sweep import forget_sign_ins
from pellucid.store.tables import accounts

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
LIFETIME = Lifetime(timedelta(hours=1), timedelta(hours=12))
ISSUER = "https://id.example"


def made(engine: Engine, name: str = "Anna", role: str = "moderator") -> Account:
    return create_account(engine, name, role, PASSWORD, load_roles(), "cli:root", NOW)


def attempt(name: str = "Anna", password: str = PASSWORD, address: str = "192.0.2.1") -> Attempt:
    return Attempt(name, password, address)


def actions(engine: Engine) -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in entries(engine)]


def signed_in(engine: Engine, at: datetime = NOW) -> Token:
    announce(engine, attempt(), at)
    return sign_in(engine, attempt(), at)


def test_a_name_and_a_password_become_a_session_with_the_scopes_of_the_role(store: Store) -> None:
    account = made(store.database)
    actor = session_of(store.database, signed_in(store.database), LIFETIME, NOW)
    assert actor is not None
    assert (actor.name, actor.scopes, actor.key) == ("Anna", {"read", "moderate"}, None)
    assert actions(store.database) == [("cli:root", "account.created"), ("Anna", "account.signed_in")]
    assert all_accounts(store.database) == [account.model_copy(update={"last_signed_in": NOW})]
    assert verify(store.database).fault is None


def test_the_database_holds_neither_password_nor_token(store: Store) -> None:
    made(store.database)
    token = signed_in(store.database)
    with store.database.connect() as connection:
        found = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("accounts", "sessions", "audit")]
    assert token.hash in str(found)
    assert token.text not in str(found)
    assert PASSWORD not in str(found)
    assert token.text not in repr(token)
    assert PASSWORD not in repr(attempt())


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("Anna", "wrong horse battery"),
        ("Bert", PASSWORD),
        ("", PASSWORD),
        ("a\0b", PASSWORD),
        ("x" * 9999, PASSWORD),
        ("Anna", ""),
    ],
)
def test_one_answer_for_all_that_is_wrong(store: Store, name: str, password: str) -> None:
    made(store.database)
    with pytest.raises(SignInFailed) as error:
        sign_in(store.database, attempt(name, password), NOW)
    assert error.value.detail == "the name or the password is wrong, or the account is disabled"


def test_a_name_that_is_none_costs_a_verification_too() -> None:
    """Of today's parameters, so that it takes as long; and no password is that of nobody."""
    assert not is_outdated(NOBODYS)
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(NOBODYS, PASSWORD)
    assert not is_right(None, PASSWORD)


@pytest.mark.parametrize(("password", "why"), [("elevenchars", "12"), ("anna.meier.x", "name"), ("x" * 257, "256")])
def test_refuses_passwords_that_are_too_easy(store: Store, password: str, why: str) -> None:
    with pytest.raises(InvalidParameter, match=why):
        create_account(store.database, "Anna.Meier.X", "moderator", password, load_roles(), "a", NOW)
    assert all_accounts(store.database) == []


@pytest.mark.parametrize(
    "name", ["", " anna", "local", "Bootstrap", "console", "inheritance", "cli:root", "a\nb", "<b>", "x" * 65]
)
def test_refuses_names_that_are_none_or_somebody_elses(store: Store, name: str) -> None:
    with pytest.raises(InvalidParameter, match="name"):
        made(store.database, name)


def test_a_name_is_given_once_whatever_the_size_of_its_letters(store: Store) -> None:
    made(store.database)
    with pytest.raises(InvalidParameter, match="another name"):
        made(store.database, "ANNA")
    assert sign_in(store.database, attempt("aNNa"), NOW)


def test_the_first_account_closes_the_door_and_disabling_it_does_not_open_it(store: Store) -> None:
    assert not is_anyone_known(store.database)
    made(store.database)
    disable_account(store.database, "anna", "cli:root", NOW)
    assert is_anyone_known(store.database)


def test_who_is_disabled_is_out_at_once_and_does_not_come_in(store: Store) -> None:
    made(store.database)
    token = signed_in(store.database)
    for _ in range(2):
        assert disable_account(store.database, "anna", "cli:root", NOW).disabled == NOW
    assert session_of(store.database, token, LIFETIME, NOW) is None
    with pytest.raises(SignInFailed, match="the name or the password"):
        sign_in(store.database, attempt(), NOW)
    enable_account(store.database, "anna", "cli:root", NOW)
    assert session_of(store.database, token, LIFETIME, NOW) is None
    assert sign_in(store.database, attempt(), NOW)
    found = [action for _, action in actions(store.database)]
    assert found.count("account.disabled") == found.count("account.enabled") == 1


def test_a_new_password_ends_the_sessions_and_the_old_one(store: Store) -> None:
    made(store.database)
    token = signed_in(store.database)
    set_password(store.database, "Anna", "another horse battery", "cli:root", NOW)
    assert session_of(store.database, token, LIFETIME, NOW) is None
    with pytest.raises(SignInFailed):
        sign_in(store.database, attempt(), NOW)
    assert sign_in(store.database, attempt(password="another horse battery"), NOW)
    with pytest.raises(NotFound):
        set_password(store.database, "Bert", "another horse battery", "cli:root", NOW)


def test_the_same_characters_are_the_same_password(store: Store) -> None:
    create_account(store.database, "Zoe", "moderator", "e\u0301 au lait, s'il", load_roles(), "a", NOW)
    assert sign_in(store.database, attempt("Zoe", "\u00e9 au lait, s'il"), NOW)


def test_a_hash_of_older_parameters_is_made_anew(store: Store) -> None:
    made(store.database)
    older = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with writing(store.database) as connection:
        connection.execute(update(accounts).values(password=older))
    sign_in(store.database, attempt(), NOW)
    with store.database.connect() as connection:
        kept = connection.execute(text("SELECT password FROM accounts")).scalar_one()
    assert kept != older
    assert not is_outdated(kept)
    assert sign_in(store.database, attempt(), NOW)


def test_a_session_ends_when_idle_and_at_last_in_any_case(store: Store) -> None:
    made(store.database)
    idle, busy = signed_in(store.database), signed_in(store.database)
    minute = timedelta(minutes=1)
    assert session_of(store.database, idle, LIFETIME, NOW + 59 * minute)
    assert session_of(store.database, idle, LIFETIME, NOW + 118 * minute)
    assert session_of(store.database, idle, LIFETIME, NOW + 178 * minute) is None
    for minutes in range(30, 12 * 60, 30):
        assert session_of(store.database, busy, LIFETIME, NOW + minutes * minute)
    assert session_of(store.database, busy, LIFETIME, NOW + timedelta(hours=12)) is None


def test_a_session_that_was_ended_is_over_and_others_are_not(store: Store) -> None:
    made(store.database)
    one, other = signed_in(store.database), signed_in(store.database)
    assert one != other
    end_session(store.database, one)
    assert session_of(store.database, one, LIFETIME, NOW) is None
    assert session_of(store.database, other, LIFETIME, NOW)
    assert session_of(store.database, Token.drawn(), LIFETIME, NOW) is None


def test_the_sweep_forgets_what_is_over(store: Store) -> None:
    """Its clock is the machine's: a session of today stays, one of the past goes."""
    made(store.database)
    signed_in(store.database, datetime.now(UTC) - timedelta(days=2))
    kept = signed_in(store.database, datetime.now(UTC))
    count_attempt(store.database, counters("Bert", "192.0.2.9"), NOW - timedelta(days=400))
    forget_sign_ins(store, LIFETIME)
    with store.database.connect() as connection:
        assert [row.hash for row in connection.execute(text("SELECT hash FROM sessions"))] == [kept.hash]
        assert connection.execute(text("SELECT count(*) FROM sign_in_failures WHERE who LIKE 'account%'")).scalar_one() == 0


def test_failures_of_an_account_must_wait_longer_and_longer(store: Store) -> None:
    made(store.database)
    at = NOW
    for number in range(5):
        announce(store.database, attempt(address=f"192.0.2.{number}"), at)
    with pytest.raises(TooManySignIns) as error:
        announce(store.database, attempt(address="192.0.2.99"), at)
    assert error.value.retry_after_s == 1
    waits = []
    for number in range(10):
        at += timedelta(seconds=error.value.retry_after_s)
        announce(store.database, attempt(address=f"198.51.100.{number}"), at)
        with pytest.raises(TooManySignIns) as error:
            announce(store.database, attempt("ANNA", address="192.0.2.99"), at)
        waits.append(error.value.retry_after_s)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    announce(store.database, attempt("Bert", address="192.0.2.99"), at)


def test_a_right_password_clears_the_account_and_not_the_address(store: Store) -> None:
    made(store.database)
    for _ in range(5):
        announce(store.database, attempt(), NOW)
    sign_in(store.database, attempt(), NOW)
    for number in range(16):
        announce(store.database, attempt(f"guess{number}"), NOW)
    with pytest.raises(TooManySignIns):
        announce(store.database, attempt("another"), NOW)
    announce(store.database, attempt("another", address="192.0.2.2"), NOW)


def test_an_ipv6_network_is_one_address(store: Store) -> None:
    assert counters("a", "2001:db8::1")[1] == counters("a", "2001:db8::ffff:2")[1] != counters("a", "2001:db8:0:1::1")[1]
    assert counters("a", "::ffff:192.0.2.1")[1] == counters("a", "192.0.2.1")[1] != counters("a", "192.0.2.2")[1]
    assert counters("a", "testclient")[1].who.startswith("address:")


def test_attempts_at_the_same_time_are_all_counted(store: Store) -> None:
    def one(_: int) -> bool:
        try:
            announce(store.database, attempt(), NOW)
        except TooManySignIns:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(40))) == 5


def test_no_wait_is_longer_than_five_minutes() -> None:
    assert [wait_s(count, 5) for count in (0, 4, 5, 6, 10_000)] == [0, 0, 1, 2, 300]


def test_a_failure_is_in_the_audit_log_where_there_is_such_an_account(store: Store) -> None:
    made(store.database)
    note_failure(store.database, attempt(), NOW)
    note_failure(store.database, attempt("my password is this"), NOW)
    assert actions(store.database) == [("cli:root", "account.created"), ("console", "account.sign_in_failed")]
    assert "my password" not in str(list(entries(store.database)))


def identity(subject: str = "s1", name: str = "anna@id.example", scopes: tuple[str, ...] = ("read",)) -> Identity:
    return Identity(ISSUER, subject, name, frozenset(scopes))  # type: ignore[arg-type]


def test_an_identity_gets_an_account_and_each_time_the_scopes_of_today(store: Store) -> None:
    token = sign_in_identity(store.database, identity(), NOW)
    sign_in_identity(store.database, identity(name="anna.new@id.example", scopes=("moderate", "read")), NOW)
    actor = session_of(store.database, token, LIFETIME, NOW)
    assert actor is not None
    assert (actor.name, actor.scopes) == ("anna@id.example", {"read", "moderate"})
    assert [action for _, action in actions(store.database)] == [
        "account.created", "account.signed_in", "account.scopes_changed", "account.signed_in",
    ]  # fmt: skip


def test_first_sign_ins_at_the_same_time_make_one_account(store: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: sign_in_identity(store.database, identity(), NOW), range(6)))
    assert len({token.text for token in found}) == 6
    assert len(all_accounts(store.database)) == 1
    assert [action for _, action in actions(store.database)].count("account.created") == 1


def test_nobody_takes_the_name_of_another_by_way_of_the_provider(store: Store) -> None:
    made(store.database)
    with pytest.raises(SignInFailed, match="another account"):
        sign_in_identity(store.database, identity(name="anna"), NOW)
    with pytest.raises(InvalidParameter):
        sign_in_identity(store.database, identity(name="local"), NOW)
    sign_in_identity(store.database, identity("s1", "Bert"), NOW)
    with pytest.raises(SignInFailed, match="another account"):
        sign_in_identity(store.database, identity("s2", "bert"), NOW)


def test_an_identity_has_no_password_and_can_be_disabled(store: Store) -> None:
    token = sign_in_identity(store.database, identity(), NOW)
    with pytest.raises(SignInFailed):
        sign_in(store.database, attempt("anna@id.example"), NOW)
    with pytest.raises(InvalidParameter, match="provider"):
        set_password(store.database, "anna@id.example", PASSWORD, "cli:root", NOW)
    disable_account(store.database, "anna@id.example", "cli:root", NOW)
    assert session_of(store.database, token, LIFETIME, NOW) is None
    with pytest.raises(SignInFailed, match="disabled"):
        sign_in_identity(store.database, identity(), NOW)
