"""The fence holds: whatever a worker does, the one who asked is told, the others are answered, and nothing is left behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pellucid.base.errors import BrokenImage, DecoderCrashed, DecoderTooSlow, TooManyPixels, Unavailable
from pellucid.base.fence import Bounds, Fence, Task
from pellucid.base.fence_nursery import SHARED_BYTES

TASKS = "tests.base.hostile_tasks"
MIB = 1 << 20
CRASHES = ("abort", "segfault", "overflow", "leave", "killed", "devour_in_c")
# Beside its limits: the import of the module that it is to run.
HANGING = """
import sys, threading, time
from pellucid.base.fence import Bounds, Fence, Task

fence = Fence("tests.base.hostile_tasks", Bounds(2, 256 << 20, 3600))
threading.Thread(target=fence.run, args=(Task("hang"), lambda said, _: said), daemon=True).start()
fence.run(Task("echo", b"here"), lambda said, _: said)
time.sleep(0.5)
print("hanging", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def lost() -> list[str]:
    return []


@pytest.fixture
def fence(lost: list[str]) -> Iterator[Fence]:
    made = Fence(TASKS, Bounds(workers=2, most_bytes=256 * MIB, timeout_s=20), lost.append)
    yield made
    made.close()


def fields(said: dict[str, Any], _: memoryview) -> dict[str, Any]:
    return said


def echoed(fence: Fence, data: bytes) -> bytes:
    def take(said: dict[str, Any], memory: memoryview) -> bytes:
        return bytes(memory[: said["length"]])

    return fence.run(Task("echo", data, answer_bytes=len(data)), take)


def children(process: int) -> list[int]:
    """Of all its threads, the dead that nobody buried included."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def below(process: int) -> list[int]:
    return [each for child in children(process) for each in (child, *below(child))]


def soon(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return met


@pytest.mark.parametrize("size", [0, 1, 100_000, SHARED_BYTES, SHARED_BYTES + 1])
def test_what_a_worker_writes_arrives_whole(fence: Fence, size: int) -> None:
    data = os.urandom(min(size, 1000)) * (size // 1000 + 1)
    assert echoed(fence, data[:size]) == data[:size]


@pytest.mark.parametrize("name", CRASHES)
def test_a_worker_that_dies_is_tried_once_more_and_then_the_file_is_at_fault(fence: Fence, lost: list[str], name: str) -> None:
    with pytest.raises(DecoderCrashed, match="crashed twice"):
        fence.run(Task(name), fields)
    assert lost == ["crashed", "crashed"]
    assert echoed(fence, b"alive") == b"alive"


def test_a_crash_that_does_not_come_again_is_nobodys_fault(fence: Fence, lost: list[str], tmp_path: Path) -> None:
    assert fence.run(Task("once", fields={"mark": str(tmp_path / "mark")}), fields) == {}
    assert lost == ["crashed"]


def test_a_worker_that_was_killed_while_it_waited_is_no_crash_of_the_next_file(fence: Fence, lost: list[str]) -> None:
    together = threading.Barrier(2)

    def pid(said: dict[str, Any], _: memoryview) -> int:
        together.wait(20)
        return int(said["pid"])

    with ThreadPoolExecutor(2) as threads:
        workers = list(threads.map(lambda _: fence.run(Task("echo"), pid), range(2)))
    assert len(set(workers)) == 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert echoed(fence, b"alive") == b"alive"
    assert lost == ["crashed"]


def test_a_worker_that_hangs_is_killed_and_not_asked_again(fence: Fence, lost: list[str]) -> None:
    with pytest.raises(DecoderTooSlow, match=r"0\.3 s"):
        fence.run(Task("hang", timeout_s=0.3), fields)
    assert lost == ["late"]
    assert echoed(fence, b"alive") == b"alive"


def test_memory_has_an_end(fence: Fence, lost: list[str]) -> None:
    with pytest.raises(TooManyPixels, match="more memory"):
        fence.run(Task("devour"), fields)
    assert lost == []
    assert echoed(fence, b"alive") == b"alive"


@pytest.mark.parametrize(
    "says",
    [
        b"\xff" * 8,
        b"\0\0\0\2\0\0\0\0[]",
        b"\0\0\0\2\0\0\0\0no",
        b"\0\0\1\0" + bytes(4) + b"[" * 256,
        b"\0\0\0\4\x7f\xff\xff\xff{}  ",
        b'\0\0\0\x0f\0\0\0\0{"ask": "key"} ',
        b'\0\0\0\x1f\0\0\0\0{"error":"starting","detail":""}'[: 8 + 31],
    ],
)
def test_a_worker_that_talks_nonsense_is_a_worker_that_crashed(fence: Fence, says: bytes) -> None:
    with pytest.raises(DecoderCrashed):
        fence.run(Task("babble", fields={"says": says.hex()}, timeout_s=10), fields)
    assert echoed(fence, b"alive") == b"alive"


def test_what_cannot_be_is_not_believed(fence: Fence) -> None:
    def take(said: dict[str, Any], memory: memoryview) -> bytes:
        if said["length"] < 0:
            raise ValueError(said["length"])
        return bytes(memory[: said["length"]])

    with pytest.raises(DecoderCrashed):
        fence.run(Task("lie"), take)


def test_the_memory_that_is_read_cannot_be_cut(fence: Fence) -> None:
    """A mapped file that is cut ends its reader by a signal."""
    with pytest.raises(RuntimeError, match="PermissionError"):
        fence.run(Task("shrink"), fields)


def test_errors_of_the_file_pass_and_others_do_not(fence: Fence, lost: list[str]) -> None:
    with pytest.raises(BrokenImage, match="the picture is torn"):
        fence.run(Task("refuse"), fields)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        fence.run(Task("mistake"), fields)
    assert lost == []
    with pytest.raises(DecoderCrashed):
        fence.run(Task("overstep"), fields)


def test_a_worker_asks_only_what_it_may_know(fence: Fence) -> None:
    said = fence.run(Task("asking", tell=lambda what, data: f"{what} {data.decode()}".encode()), fields)
    assert said == {"told": "secret who?"}
    with pytest.raises(DecoderCrashed):
        fence.run(Task("asking"), fields)


def test_others_are_answered_while_workers_crash_and_hang() -> None:
    fence = Fence(TASKS, Bounds(workers=4, most_bytes=256 * MIB, timeout_s=20))
    try:
        with ThreadPoolExecutor(12) as threads:
            bad = [threads.submit(fence.run, Task(name, timeout_s=3), fields) for name in ("abort", "hang", "segfault") * 3]
            good = [threads.submit(echoed, fence, bytes([number]) * 5000) for number in range(100)]
            assert [each.result() for each in good] == [bytes([number]) * 5000 for number in range(100)]
            assert {type(each.exception()) for each in bad} == {DecoderCrashed, DecoderTooSlow}
    finally:
        fence.close()


def test_no_process_file_or_dead_is_left_over_two_hundred_crashes(fence: Fence, lost: list[str]) -> None:
    echoed(fence, b"begin")
    (nursery,) = [child for child in children(os.getpid()) if b"fence_worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
    before = len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{nursery}/fd").iterdir()))
    for _ in range(100):
        with pytest.raises(DecoderCrashed):
            fence.run(Task("abort"), fields)
    assert len(lost) == 200
    echoed(fence, b"end")
    assert len(children(nursery)) == 1
    assert (len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{nursery}/fd").iterdir()))) == before
    fence.close()
    assert not Path(f"/proc/{nursery}").exists()


def test_a_nursery_that_is_killed_is_followed_by_another(fence: Fence) -> None:
    echoed(fence, b"begin")
    (nursery,) = [child for child in children(os.getpid()) if b"fence_worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
    (worker,) = children(nursery)
    os.kill(nursery, signal.SIGKILL)
    assert soon(lambda: not Path(f"/proc/{worker}/fd/0").exists()), "its workers live on"
    assert echoed(fence, b"alive") == b"alive"


def test_closing_ends_also_who_is_at_work(fence: Fence) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(fence.run, Task("hang"), fields)
        assert soon(lambda: len(below(os.getpid())) >= 2)
        fence.close()
        assert isinstance(waiting.exception(20), Unavailable)
    with pytest.raises(Unavailable):
        echoed(fence, b"late")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_process_that_is_killed_not_even_one_that_hangs(number: int, repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository / "src"), str(repository)])}
    command = [sys.executable, "-c", HANGING]
    with subprocess.Popen(command, cwd=repository, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hanging\n"
        workers = below(process.pid)
        assert len(workers) == 3
        process.send_signal(number)
        process.wait(20)
        assert soon(lambda: not any(Path(f"/proc/{worker}/fd/0").exists() for worker in workers))


def test_signals_meant_for_the_service_end_no_worker(fence: Fence) -> None:
    worker = fence.run(Task("echo"), fields)["pid"]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(worker, number)
    assert fence.run(Task("echo"), fields)["pid"] == worker


def test_a_worker_is_replaced_after_its_tasks_and_nobody_counts_it_as_lost(lost: list[str]) -> None:
    fence = Fence(TASKS, Bounds(workers=1, most_bytes=256 * MIB, most_tasks=3), lost.append)
    pids = [fence.run(Task("echo"), fields)["pid"] for _ in range(7)]
    fence.close()
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]
    assert lost == []


def test_a_worker_has_bounds_and_knows_no_secret(fence: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_API_KEYS", "a secret of the service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    found = fence.run(Task("facts"), fields)
    assert found["limits"] == {
        "RLIMIT_DATA": 256 * MIB, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 64, "RLIMIT_FSIZE": 256 * MIB,
    }  # fmt: skip
    assert not [name for name in found["environment"] if name.startswith(("PELLUCID_", "AWS_"))]
    # Standard streams, its socket, its memory, and the folder that is being listed.
    assert found["files"] == 6


def test_a_lost_worker_is_logged_with_the_name_of_the_file(fence: Fence, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(DecoderCrashed):
        fence.run(Task("segfault", b"abc"), fields)
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in caplog.text
    assert "exit status -11" in caplog.text
