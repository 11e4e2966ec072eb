"""Work is taken by one at a time, taken up again where the one is gone, finished by the one who holds it; on every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from pellucid.base.errors import AnalysisFailed, IdempotencyMismatch, NotAnswered
from pellucid.base.ids import new_id
from pellucid.store.analyses import Problem
from pellucid.store.database import writing
from pellucid.store.idempotency import Key
from pellucid.store.leases import LeaseLost, now
from pellucid.store.queue import ANALYSE, Job
from pellucid.store.store import Incoming, Store
from pellucid.store.tables import jobs
from tests.store.made import report


@pytest.fixture
def other(store: Store, database_url: str, tmp_path: Path) -> Iterator[Store]:
    """Another process on the same database."""
    other = Store.open(tmp_path, database_url)
    yield other
    other.close()


def incoming(number: int = 0) -> Incoming:
    return Incoming(b"picture %d" % number, f"{number}.png", "none")


def let_leases_end(store: Store) -> None:
    with writing(store.database) as connection:
        connection.execute(update(jobs).values(due=now() - timedelta(seconds=1)))


def answer(store: Store, job: Job) -> None:
    store.answer(job, report().model_copy(update={"id": job.id}), None)


def test_an_accepted_picture_is_a_row_and_a_job_before_it_has_a_report(store: Store) -> None:
    accepted = store.accept(incoming())
    standing = store.standing(accepted.id)
    assert (standing.state, standing.source, standing.declared) == ("accepted", "0.png", "none")
    assert store.picture(accepted.id) == b"picture 0"
    assert store.queue.waiting(ANALYSE) == 1
    with pytest.raises(NotAnswered):
        store.get(accepted.id)


def test_its_answer_ends_the_job(store: Store) -> None:
    accepted = store.accept(incoming())
    (job,) = store.queue.take(ANALYSE, 5)
    answer(store, job)
    assert store.get(accepted.id).id == accepted.id
    assert store.queue.waiting(ANALYSE) == 0


def test_jobs_are_taken_in_the_order_they_came(store: Store) -> None:
    ids = [store.accept(incoming(number)).id for number in range(4)]
    assert [job.id for _ in range(2) for job in store.queue.take(ANALYSE, 2)] == ids


def test_many_takers_share_the_jobs_out(store: Store, other: Store) -> None:
    ids = {store.accept(incoming(number)).id for number in range(24)}

    def take_all(queue_of: Store) -> list[str]:
        taken: list[str] = []
        while found := queue_of.queue.take(ANALYSE, 2):
            taken += [job.id for job in found]
        return taken

    with ThreadPoolExecutor(4) as threads:
        taken = [one for each in threads.map(take_all, [store, other, store, other]) for one in each]
    assert sorted(taken) == sorted(ids)


def test_what_is_taken_nobody_else_takes_until_the_lease_ends(store: Store, other: Store) -> None:
    store.accept(incoming())
    (first,) = store.queue.take(ANALYSE, 1)
    assert other.queue.take(ANALYSE, 1) == ()
    let_leases_end(store)
    (second,) = other.queue.take(ANALYSE, 1)
    assert (first.attempts, second.attempts) == (1, 2)


def test_whoever_lost_the_lease_can_neither_answer_nor_fail(store: Store, other: Store) -> None:
    accepted = store.accept_and_take(incoming())
    assert accepted.job is not None
    let_leases_end(store)
    (job,) = other.queue.take(ANALYSE, 1)
    for too_late in (lambda: answer(store, accepted.job), lambda: store.fail(accepted.job, Problem("internal", "late"))):
        with pytest.raises(LeaseLost):
            too_late()
    assert store.standing(accepted.id).state == "accepted"
    answer(other, job)
    assert store.standing(accepted.id).state == "answered"


def test_the_same_process_loses_a_lease_to_itself(store: Store) -> None:
    """A thread that hangs and comes back must not write over what another thread has taken up."""
    first = store.accept_and_take(incoming()).job
    assert first is not None
    let_leases_end(store)
    (second,) = store.queue.take(ANALYSE, 1)
    with pytest.raises(LeaseLost):
        answer(store, first)
    answer(store, second)


def test_a_lease_that_is_kept_does_not_end_but_for_one_that_is_held_too_long(store: Store, other: Store) -> None:
    store.accept_and_take(incoming())
    let_leases_end(store)
    store.queue.keep(longest_s=100)
    assert other.queue.take(ANALYSE, 1) == ()
    let_leases_end(store)
    store.queue.keep(longest_s=0)
    assert len(other.queue.take(ANALYSE, 1)) == 1


def test_what_a_process_leaves_is_free_at_once(store: Store, other: Store) -> None:
    store.accept_and_take(incoming())
    store.queue.give_up()
    assert len(other.queue.take(ANALYSE, 1)) == 1


def test_what_is_put_back_comes_again_and_counts_only_if_it_was_begun(store: Store) -> None:
    store.accept(incoming())
    (job,) = store.queue.take(ANALYSE, 1)
    store.queue.return_unused(job, 0)
    (job,) = store.queue.take(ANALYSE, 1)
    assert job.attempts == 1
    store.queue.put_back(job, 0)
    (job,) = store.queue.take(ANALYSE, 1)
    assert job.attempts == 2
    store.queue.put_back(job, 60)
    assert store.queue.take(ANALYSE, 1) == ()


def test_a_failed_one_keeps_its_problem(store: Store) -> None:
    job = store.accept_and_take(incoming()).job
    assert job is not None
    store.fail(job, Problem("broken-image", "cut short"))
    with pytest.raises(AnalysisFailed, match="broken-image: cut short"):
        store.get(job.id)
    assert store.queue.waiting(ANALYSE) == 0
    assert store.picture(job.id) == b"picture 0"


def test_of_a_picture_that_was_none_the_bytes_go(store: Store) -> None:
    job = store.accept_and_take(incoming()).job
    assert job is not None
    name = store.standing(job.id).sha256
    store.fail(job, Problem("broken-image", "cut short"), keep_picture=False)
    assert not store.objects.has(name or "")


def key_of(text: str = "k", *, owner: str = "me", fingerprint: str = "f", hours: float = 1) -> Key:
    return Key(owner, text, fingerprint, now() + timedelta(hours=hours))


def test_a_key_stands_for_the_first_picture_sent_with_it(store: Store) -> None:
    first = store.accept(incoming(), key_of())
    again = store.accept_and_take(incoming(), key_of())
    assert (again.id, again.again, again.job) == (first.id, True, None)
    assert store.queue.waiting(ANALYSE) == 1


def test_a_key_is_its_owners_and_lives_its_time(store: Store) -> None:
    first = store.accept(incoming(), key_of())
    assert store.accept(incoming(), key_of(owner="you")).id != first.id
    old = store.accept(incoming(), key_of("old", hours=-1))
    assert store.accept(incoming(), key_of("old")).id != old.id


def test_a_key_for_another_request_is_refused(store: Store) -> None:
    store.accept(incoming(), key_of())
    with pytest.raises(IdempotencyMismatch):
        store.accept(incoming(1), key_of(fingerprint="g"))
    assert store.queue.waiting(ANALYSE) == 1


def test_of_requests_at_once_with_one_key_one_is_accepted(store: Store) -> None:
    with ThreadPoolExecutor(6) as threads:
        accepted = list(threads.map(lambda _: store.accept(incoming(), key_of()), range(12)))
    assert len({each.id for each in accepted}) == 1
    assert store.queue.waiting(ANALYSE) == 1


def test_a_job_of_no_accepted_picture_is_refused(store: Store) -> None:
    job = store.accept_and_take(incoming()).job
    assert job is not None
    unknown = dataclasses.replace(job, taking=dataclasses.replace(job.taking, id=new_id()))
    with pytest.raises(LeaseLost):
        answer(store, unknown)


def test_names_of_files_that_a_database_cannot_hold_are_kept_as_far_as_it_can(store: Store) -> None:
    accepted = store.accept(Incoming(b"x", "a\0b" + "c" * 5000))
    assert (store.standing(accepted.id).source or "").startswith("a\N{REPLACEMENT CHARACTER}bc")
