"""The proof that no file brings the service down: thousands of damaged files of every format through a running one.

    python -m benchmarks.fuzz --files 20000 --out docs/proofs/fuzz.md

`pellucid serve` in a process of its own on loopback, with the tiny bundle of the tests and without captions: what is under test
is reading, and a real model would look at each picture that still decodes. Most files are sent to be analysed, waited for or not,
some to be made a derivative of. It fails on an answer of 5xx (but 503 `busy`), a part that failed on our side, an error in the
log, an answer that does not come, a worker that was lost, an accepted picture without an end, and memory that grows.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from benchmarks.fuzz_files import mutated, seeds
from benchmarks.fuzz_page import Finding, Memory, page
from benchmarks.kills import POLICY
from benchmarks.kills import _make_bundle as make_bundle

CLIENTS = 4
ANSWER_S = 60.0
START_S = 120.0
DRAIN_S = 300.0
# Of a hundred files, so many are accepted first and answered later, and so many are made a derivative of.
LATER, DERIVED = 5, 10
FORMATS = ("jpeg", "png", "webp", "avif")


@dataclass
class Told:
    """What came back; written by several threads under a lock."""

    answers: Counter[str] = field(default_factory=Counter)
    by_file: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    missing: Counter[str] = field(default_factory=Counter)


class Client:
    """Sends one file after the other over one connection, and remembers what it was told."""

    def __init__(self, port: int, told: Told, lock: threading.Lock, keep: Path | None) -> None:
        self._port, self._told, self._lock, self._keep = port, told, lock, keep
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)

    def send(self, number: int, name: str, done: str, data: bytes, luck: random.Random) -> None:
        kind = luck.randrange(100)
        path, headers = "/v1/analyses", {"Content-Type": luck.choice(("image/jpeg", "image/png", "application/octet-stream"))}
        if kind < LATER:
            headers["Prefer"] = "respond-async"
        elif kind < LATER + DERIVED:
            path = f"/v1/derivatives?format={luck.choice(FORMATS)}&size={luck.choice((16, 100, 400))}"
        begun = time.monotonic()
        status, body = self._answer(path, data, headers)
        took_s = time.monotonic() - begun
        with self._lock:
            self._remember(f"file {number} ({name}: {done})", name, status, body, took_s, data)

    def _answer(self, path: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """0 and what went wrong where no answer comes."""
        for last in (False, True):
            try:
                self._connection.request("POST", path, data, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # The service may have closed a connection that was kept open, with the answer to what was too large.
                if last or isinstance(error, TimeoutError):
                    return 0, repr(error).encode()
        raise AssertionError

    def _remember(self, what: str, name: str, status: int, body: bytes, took_s: float, data: bytes) -> None:
        told = self._told
        content = _json(body) if status else {}
        code = str(content.get("type", "")).rpartition(":")[2] if status >= HTTPStatus.BAD_REQUEST else ""
        told.answers[f"{status} {code}".strip() if status else "no answer"] += 1
        told.by_file[(name.split()[0], "answered" if status < HTTPStatus.BAD_REQUEST else "refused")] += 1
        if took_s > told.slowest_s:
            told.slowest_s, told.slowest = took_s, what
        if status == HTTPStatus.ACCEPTED:
            told.later.append(str(content["id"]))
        wrong = [] if status else [f"no answer: {body.decode()}"]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and code != "busy":
            wrong.append(f"{status} {code}: {content.get('detail')}")
        for each in content.get("missing", ()) if status == HTTPStatus.OK else ():
            told.missing[f"{each['part']}: {each['reason']}"] += 1
            if "on our side" in each["reason"]:
                wrong.append(f"{each['part']} is missing: {each['reason']}")
        told.faults += [f"{what}: {fault}" for fault in wrong]
        if wrong and self._keep:
            self._keep.mkdir(parents=True, exist_ok=True)
            (self._keep / f"{len(told.faults)}").write_bytes(data)


def _json(body: bytes) -> dict[str, object]:  # derivatives are pictures
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def prove(files: int, seed: int, keep: Path | None, show: Callable[[Finding], object] = lambda _: None) -> Finding:
    """`show` is called at every step with what was found until then."""
    whole = seeds()
    with tempfile.TemporaryDirectory(prefix="pellucid-fuzz-") as folder, serving(Path(folder)) as (process, port):
        told, lock, luck = Told(), threading.Lock(), random.Random(seed)
        turns = [luck.getrandbits(32) for _ in range(files)]
        memory = [Memory.of(process.pid, 0)]
        begun = time.monotonic()
        clients = threading.local()

        def one(number: int) -> None:
            if not hasattr(clients, "own"):
                clients.own = Client(port, told, lock, keep)
            clients.own.send(number, *mutated(whole, seed, number), random.Random(turns[number]))

        step = max(min(1000, files // 10), 1)
        with ThreadPoolExecutor(CLIENTS) as threads:
            for start in range(0, files, step):
                list(threads.map(one, range(start, min(start + step, files))))
                memory.append(Memory.of(process.pid, min(start + step, files)))
                took_s = time.monotonic() - begun
                print(f"  {memory[-1].files} files, {took_s:.0f} s, {memory[-1].text()}", flush=True)
                show(_found(seed, took_s, told, {}, lost_workers(port), memory, Path(folder)))
                if process.poll() is not None:
                    told.faults.append(f"the service ended with {process.returncode}")
                    break
        took_s = time.monotonic() - begun
        ends = drained(port, told) if process.poll() is None else Counter()
        memory.append(Memory.of(process.pid, files))
        lost = lost_workers(port) if process.poll() is None else Counter()
        return _found(seed, took_s, told, ends, lost, memory, Path(folder))


def _found(
    seed: int, took_s: float, told: Told, ends: Mapping[str, int], lost: Mapping[str, int], memory: list[Memory], folder: Path
) -> Finding:
    errors = [line for line in (folder / "log").read_text().splitlines() if " ERROR " in line]
    return Finding(
        memory[-1].files, seed, took_s, dict(told.answers), dict(told.by_file), dict(told.missing), dict(ends), dict(lost),
        tuple(memory), told.slowest_s, told.slowest, (*told.faults, *errors),
    )  # fmt: skip


def drained(port: int, told: Told) -> Counter[str]:
    """How the pictures ended that were accepted first and answered later."""
    ends: Counter[str] = Counter()
    until = time.monotonic() + DRAIN_S
    for analysis in told.later:
        status, content = HTTPStatus.ACCEPTED, {}
        while status == HTTPStatus.ACCEPTED and time.monotonic() < until:
            status, body = ask(port, f"/v1/analyses/{analysis}")
            content = _json(body)
            if status == HTTPStatus.ACCEPTED:
                time.sleep(0.1)
        code = str(content.get("detail", "")).partition(" failed: ")[2].partition(":")[0] if status == HTTPStatus.CONFLICT else ""
        ends[f"failed, {code}" if code else "answered" if status == HTTPStatus.OK else f"{status}"] += 1
        if status not in (HTTPStatus.OK, HTTPStatus.CONFLICT) or code in ("internal", "gave-up"):
            told.faults.append(f"{analysis}, accepted, ended with {status} {content.get('detail')}")
    return ends


def lost_workers(port: int) -> Counter[str]:
    lines = ask(port, "/metrics")[1].decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("pellucid_workers_lost_total{")]
    return Counter({name.partition('"')[2].partition('"')[0]: int(float(count)) for name, _, count in found})


def ask(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    make_bundle(folder / "bundle")
    (folder / "policy.toml").write_text(POLICY)
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", "serve"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=_environment(folder), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            _wait_until_ready(port)
            yield process, port
        finally:
            process.terminate()
            process.wait(ANSWER_S)


def _environment(folder: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "PELLUCID_BUNDLE": str(folder / "bundle"),
        "PELLUCID_POLICY": str(folder / "policy.toml"),
        "PELLUCID_DATA_DIR": str(folder / "data"),
        "PELLUCID_PORT": "0",
        "PELLUCID_CAPTIONS": "false",
        "PELLUCID_MODEL_THREADS": "1",
        "PELLUCID_LOG_LEVEL": "warning",
    }


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if ask(port, "/readyz")[0] == HTTPStatus.OK:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the service was not ready after {START_S:g} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown with what was found")
    parser.add_argument("--keep", type=Path, help="folder for the files that did harm")
    asked = parser.parse_args()
    # Whoever ends this ends the service as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def show(found: Finding) -> None:
        if asked.out:
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(page(found))

    found = prove(asked.files, asked.seed, asked.keep, show)
    show(found)
    print(found.text())
    return 0 if found.sound and found.files == asked.files else 1


if __name__ == "__main__":
    sys.exit(main())
