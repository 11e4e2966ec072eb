"""A key lets in who holds it, with its scopes and at its rate, until it is revoked, expired or replaced."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from pellucid.base.errors import InvalidParameter, KeyNotActive, NotFound, Unauthorized
from pellucid.base.ids import new_id
from pellucid.records.actor import load_roles
from pellucid.records.key import Key, Secret, wish
from pellucid.store.accounts import is_anyone_known
from pellucid.store.audit import entries, verify
from pellucid.store.database import counting, writing
from pellucid.store.keys import admit, all_keys, create_key, revoke_key, rotate_key
from pellucid.store.store import Store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def made(engine: Engine, **fields: object) -> tuple[Key, Secret]:
    asked = {"name": "app", "scopes": ["read"], **fields}
    return create_key(engine, wish(**asked), load_roles(), "anna", NOW)


def actions(engine: Engine) -> list[tuple[str, str, str]]:
    return [(entry.actor, entry.action, entry.subject) for entry in entries(engine)]


def test_lets_its_holder_in_by_name_and_scopes(store: Store) -> None:
    key, secret = made(store.database, name="photo app", scopes=["flag", "analyse"])
    admission = admit(store.database, secret, NOW)
    assert (admission.actor.name, admission.actor.key) == ("photo app", key.id)
    assert admission.actor.scopes == {"analyse", "flag"}
    assert admission.allowance is None


def test_takes_the_scopes_of_a_role(store: Store) -> None:
    key, _ = create_key(store.database, wish(name="app", role="moderator"), load_roles(), "anna", NOW)
    assert key.scopes == ["read", "moderate"]
    with pytest.raises(InvalidParameter, match="administrator"):
        create_key(store.database, wish(name="app", role="king"), load_roles(), "anna", NOW)


def test_the_database_holds_no_secret(store: Store) -> None:
    key, secret = made(store.database)
    rotated = rotate_key(store.database, key.id, DAY, "anna", NOW)[1]
    with store.database.connect() as connection:
        found = connection.execute(text("SELECT * FROM api_keys")).all() + connection.execute(text("SELECT * FROM audit")).all()
    assert secret.hash in str(found)
    assert secret.secret not in str(found)
    assert rotated.secret not in str(found)


def test_an_unknown_id_and_a_wrong_secret_are_told_the_same(store: Store) -> None:
    _, secret = made(store.database)
    told = set()
    for wrong in (Secret.drawn(), Secret.drawn(secret.id), Secret(new_id(), secret.secret)):
        with pytest.raises(Unauthorized) as refused:
            admit(store.database, wrong, NOW)
        told.add(refused.value.detail)
    assert len(told) == 1


def test_an_expired_or_revoked_key_is_told_so_and_not_let_in(store: Store) -> None:
    _, short = made(store.database, expires_in_days=1)
    admit(store.database, short, NOW + DAY - timedelta(seconds=1))
    with pytest.raises(Unauthorized, match="expired"):
        admit(store.database, short, NOW + DAY)
    key, secret = made(store.database)
    revoke_key(store.database, key.id, "anna", NOW)
    with pytest.raises(Unauthorized, match="revoked"):
        admit(store.database, secret, NOW)
    with pytest.raises(Unauthorized, match="not one of this"):
        admit(store.database, Secret.drawn(key.id), NOW)


def test_a_rotated_key_has_two_secrets_until_the_overlap_ends(store: Store) -> None:
    key, first = made(store.database)
    rotated, second = rotate_key(store.database, key.id, DAY, "anna", NOW)
    assert (rotated.id, rotated.overlap_until) == (key.id, NOW + DAY)
    for secret in (first, second):
        admit(store.database, secret, NOW + DAY - timedelta(seconds=1))
    admit(store.database, second, NOW + DAY)
    with pytest.raises(Unauthorized):
        admit(store.database, first, NOW + DAY)


def test_a_second_rotation_ends_the_first_secret_and_no_overlap_ends_it_at_once(store: Store) -> None:
    key, first = made(store.database)
    _, second = rotate_key(store.database, key.id, DAY, "anna", NOW)
    _, third = rotate_key(store.database, key.id, timedelta(0), "anna", NOW)
    for secret in (first, second):
        with pytest.raises(Unauthorized):
            admit(store.database, secret, NOW)
    admit(store.database, third, NOW)


def test_only_a_key_in_force_is_rotated_and_only_one_that_exists_revoked(store: Store) -> None:
    key, _ = made(store.database, expires_in_days=1)
    with pytest.raises(KeyNotActive, match="expired"):
        rotate_key(store.database, key.id, DAY, "anna", NOW + DAY)
    revoke_key(store.database, key.id, "anna", NOW)
    with pytest.raises(KeyNotActive, match="revoked"):
        rotate_key(store.database, key.id, DAY, "anna", NOW)
    for change in (
        lambda: revoke_key(store.database, new_id(), "anna", NOW),
        lambda: rotate_key(store.database, new_id(), DAY, "a", NOW),
    ):
        with pytest.raises(NotFound):
            change()


def test_every_change_of_a_key_is_in_the_audit_log_and_no_reading_is(store: Store) -> None:
    key, _ = made(store.database)
    _, secret = rotate_key(store.database, key.id, DAY, "ben", NOW)
    admit(store.database, secret, NOW)
    all_keys(store.database, NOW)
    for _ in range(2):
        revoke_key(store.database, key.id, "cli:root", NOW)
    expected = [("anna", "key.created", key.id), ("ben", "key.rotated", key.id), ("cli:root", "key.revoked", key.id)]
    assert actions(store.database) == expected
    assert verify(store.database).fault is None


def test_lists_all_with_their_state_and_the_day_of_last_use(store: Store) -> None:
    first, secret = made(store.database, expires_in_days=1)
    second, limited = made(store.database, per_minute=5)
    third, _ = made(store.database)
    admit(store.database, secret, NOW)
    admit(store.database, limited, NOW + DAY)
    revoke_key(store.database, third.id, "anna", NOW)
    found = {key.id: (key.state, key.last_used) for key in all_keys(store.database, NOW + DAY)}
    today = NOW.date()
    assert found == {first.id: ("expired", today), second.id: ("active", today + DAY), third.id: ("revoked", None)}


def test_a_revoked_key_was_made_all_the_same(store: Store) -> None:
    assert not is_anyone_known(store.database)
    key, _ = made(store.database)
    revoke_key(store.database, key.id, "anna", NOW)
    assert is_anyone_known(store.database)


def test_a_bucket_empties_refuses_and_fills_again(store: Store) -> None:
    _, secret = made(store.database, per_minute=3)
    left = [admit(store.database, secret, NOW).allowance for _ in range(4)]
    assert [each and (each.remaining, each.refused) for each in left] == [(2, False), (1, False), (0, False), (0, True)]
    assert left[3] is not None
    assert left[3].reset_s == 20
    again = admit(store.database, secret, NOW + timedelta(seconds=20)).allowance
    assert again is not None
    assert (again.remaining, again.refused) == (0, False)
    rested = admit(store.database, secret, NOW + timedelta(hours=1)).allowance
    assert rested is not None
    assert rested.remaining == 2, "a bucket is never fuller than full"


def test_only_a_counter_may_be_lost_with_the_power(store: Store) -> None:
    asked = text("PRAGMA synchronous" if store.database.dialect.name == "sqlite" else "SHOW synchronous_commit")
    found = []
    for begin in (counting, writing, counting):
        with begin(store.database) as connection:
            found.append(str(connection.execute(asked).scalar_one()))
    assert found in (["1", "2", "1"], ["off", "on", "off"])


def test_many_at_once_get_no_more_than_the_rate(store: Store) -> None:
    _, secret = made(store.database, per_minute=20)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: admit(store.database, secret, NOW).allowance, range(40)))
    assert sum(not each.refused for each in found if each) == 20


@given(per_minute=st.integers(1, 40), waits=st.lists(st.floats(0, 20), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
def test_never_more_than_a_bucket_and_what_flowed_in_and_whoever_waits_as_told_is_let_in(
    tmp_path_factory: pytest.TempPathFactory, per_minute: int, waits: list[float]
) -> None:
    store = Store.open(tmp_path_factory.mktemp("bucket"))
    _, secret = made(store.database, per_minute=per_minute)
    at, let_in = NOW, 0
    for wait in waits:
        at += timedelta(seconds=wait)
        allowance = admit(store.database, secret, at).allowance
        assert allowance is not None
        let_in += not allowance.refused
        assert let_in <= per_minute + math.ceil((at - NOW).total_seconds() * per_minute / 60)
        if allowance.refused:
            at += timedelta(seconds=allowance.reset_s)
            later = admit(store.database, secret, at).allowance
            assert later is not None
            assert not later.refused
            let_in += 1
    store.close()
