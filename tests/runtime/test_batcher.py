from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import Unavailable
from pellucid.runtime.batcher import Batcher

PATIENCE_S = 20


class Poison(Exception):
    pass


def double(items: list[int]) -> list[int]:
    return [2 * item for item in items]


def run_with_poison(items: list[int]) -> list[int]:
    if any(item < 0 for item in items):
        raise Poison(f"{min(items)}")
    return double(items)


class Gate:
    """A `run` that waits until it is let go, and keeps the batches that it saw."""

    def __init__(self, run: Callable[[list[int]], list[int]] = double) -> None:
        self.open, self.entered, self.batches, self._run = threading.Event(), threading.Event(), list[list[int]](), run

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.set()
        assert self.open.wait(PATIENCE_S)
        return self._run(items)


@given(
    items=st.lists(st.integers(0, 1000), max_size=40),
    max_batch=st.integers(1, 9),
    wait_ms=st.floats(0, 3),
    streams=st.integers(1, 3),
    clients=st.integers(1, 6),
)
def test_every_item_gets_its_own_answer_whoever_asks_and_in_whatever_order(
    items: list[int], max_batch: int, wait_ms: float, streams: int, clients: int
) -> None:
    sizes: list[int] = []
    batcher = Batcher(double, max_batch, wait_ms, streams, observe=lambda size, _: sizes.append(size))
    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(lambda item: batcher.submit(item).result(PATIENCE_S), items))
    batcher.close()
    assert answers == [2 * item for item in items]
    assert sum(sizes) == len(items)
    assert all(1 <= size <= max_batch for size in sizes)


@given(items=st.lists(st.integers(-3, 20), max_size=25), max_batch=st.integers(1, 9))
def test_a_poisoned_item_fails_alone(items: list[int], max_batch: int) -> None:
    batcher = Batcher(run_with_poison, max_batch, max_wait_ms=1)
    futures = [batcher.submit(item) for item in items]
    for item, future in zip(items, futures, strict=True):
        if item < 0:
            with pytest.raises(Poison, match=str(item)):
                future.result(PATIENCE_S)
        else:
            assert future.result(PATIENCE_S) == 2 * item
    batcher.close()


@given(limit=st.integers(1, 5), extra=st.integers(1, 5))
def test_takes_no_more_than_its_queue_holds(limit: int, extra: int) -> None:
    gate = Gate()
    batcher = Batcher(gate, max_batch=1, max_wait_ms=0, max_waiting=limit)
    running = batcher.submit(0)
    assert gate.entered.wait(PATIENCE_S)
    waiting = [batcher.submit(item) for item in range(limit)]
    for _ in range(extra):
        with pytest.raises(Unavailable, match="try again"):
            batcher.submit(99)
    gate.open.set()
    assert [future.result(PATIENCE_S) for future in [running, *waiting]] == [0, *(2 * item for item in range(limit))]
    batcher.close()


def test_items_that_arrive_while_a_batch_runs_go_together() -> None:
    gate = Gate()
    batcher = Batcher(gate, max_batch=8, max_wait_ms=0)
    futures = [batcher.submit(0)]
    assert gate.entered.wait(PATIENCE_S)
    futures += [batcher.submit(item) for item in range(1, 12)]
    gate.open.set()
    wait(futures, PATIENCE_S)
    batcher.close()
    assert [len(batch) for batch in gate.batches] == [1, 8, 3]


def test_the_first_item_waits_for_others_but_not_longer_than_told() -> None:
    waits_ms: list[float] = []
    batcher = Batcher(double, max_batch=8, max_wait_ms=30, observe=lambda _, wait_ms: waits_ms.append(wait_ms))
    assert batcher.submit(1).result(PATIENCE_S) == 2
    batcher.close()
    assert 29 <= waits_ms[0] < 5000


def test_a_full_batch_does_not_wait() -> None:
    batcher = Batcher(double, max_batch=3, max_wait_ms=60_000)
    begun = time.monotonic()
    assert [future.result(PATIENCE_S) for future in [batcher.submit(item) for item in range(3)]] == [0, 2, 4]
    assert time.monotonic() - begun < PATIENCE_S
    batcher.close()


def test_what_was_taken_back_while_it_waited_is_not_run() -> None:
    gate = Gate()
    batcher = Batcher(gate, max_batch=1, max_wait_ms=0)
    batcher.submit(0)
    assert gate.entered.wait(PATIENCE_S)
    dropped, kept = batcher.submit(1), batcher.submit(2)
    assert dropped.cancel()
    gate.open.set()
    assert kept.result(PATIENCE_S) == 4
    batcher.close()
    assert gate.batches == [[0], [2]]


def test_closing_answers_what_waits_and_takes_nothing_new() -> None:
    gate = Gate()
    batcher = Batcher(gate, max_batch=2, max_wait_ms=0)
    futures = [batcher.submit(item) for item in range(7)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.open.set()
    closing.join(PATIENCE_S)
    assert [future.result(0) for future in futures] == [2 * item for item in range(7)]
    with pytest.raises(Unavailable, match="stopping"):
        batcher.submit(1)


def test_closing_fails_what_cannot_be_answered_in_time() -> None:
    gate = Gate()
    batcher = Batcher(gate, max_batch=1, max_wait_ms=0)
    running: Future[int] = batcher.submit(0)
    assert gate.entered.wait(PATIENCE_S)
    stuck = batcher.submit(1)
    batcher.close(timeout_s=0.05)
    with pytest.raises(Unavailable, match="stopped"):
        stuck.result(0)
    gate.open.set()
    assert running.result(PATIENCE_S) == 0


def test_closing_twice_is_harmless() -> None:
    batcher = Batcher(double, max_batch=2, max_wait_ms=0)
    batcher.close()
    batcher.close()


def test_a_run_that_loses_an_answer_is_an_error_and_not_a_swap() -> None:
    batcher = Batcher(lambda items: items[1:], max_batch=4, max_wait_ms=5)
    for future in [batcher.submit(item) for item in range(4)]:
        with pytest.raises(AssertionError):
            future.result(PATIENCE_S)
    batcher.close()
