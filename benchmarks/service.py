"""The running service beside its floor: how much of the machine is left over for pictures, with captions and without.

    python benchmarks/service.py                              the shipped bundle, about 3 minutes on a quiet machine
    python benchmarks/service.py --bundle FOLDER --seconds 2 --rounds 1 --pictures 4 --json figures.json

The floor is a bare loop in one process: decode, views, the same encoder passes, nothing else; one thread, and one a core, the
faster of both. Floors and service take turns, round after round, while the other side is idle: what else the machine does meets
both alike, and the shares of single rounds show how much it did. The service is `pellucid serve` in its own process, asked over
HTTP by 16 clients that wait for each answer. Both see the same pictures: parts of two photographs that scikit-learn brings, so
that captions are written. Far from a threshold, none is looked at again in re-encodings; the counts of captions and re-encoded
answers are printed. The clients share the machine with the service, so images a second are a little better without them; CPU
seconds are the service's own, from its /metrics.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import platform
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_image

from pellucid.base.pixels import decode
from pellucid.records.bundle import Bundle, read_bundle
from pellucid.runtime.session import Session, open_encoder
from pellucid.runtime.views import caption_view, detection_view, to_tensor

SIZE_PX = (1080, 1350)
PHOTOGRAPHS = ("china.jpg", "flower.jpg")
START_S = 60
WARM_UP = 0.2


@dataclass(frozen=True)
class Load:
    bundle: Path
    pictures: int
    clients: int
    seconds: float
    rounds: int


@dataclass(frozen=True)
class Figures:
    """Of one run. `answers` counts what the reports held: captions, re-encoded answers, and parts that were missing."""

    images: int
    images_per_s: float
    cpu_s_per_image: float
    p50_ms: float
    p95_ms: float
    answers: dict[str, int]
    images_per_s_by_round: tuple[float, ...]


@dataclass(frozen=True)
class Side:
    """One of those that take turns: what answers a picture, asked by how many threads, and the CPU seconds it has used."""

    answer: Callable[[bytes], dict[str, int]]
    threads: int
    cpu_s: Callable[[], float]


@dataclass(frozen=True)
class Turn:
    """What came of one side in one round."""

    latencies_ms: list[float]
    answers: dict[str, int]
    took_s: float
    cpu_s: float


def main() -> None:
    load, out = _arguments()
    bundle = read_bundle(load.bundle)
    pictures = [photograph(seed) for seed in range(load.pictures)]
    runs = {
        name: compare(load, bundle, pictures, captions)
        for name, captions in (("without captions", False), ("with captions", True))
    }
    _show(runs, bundle, load)
    if out:
        out.write_text(json.dumps(_record(runs, bundle, load), indent=1) + "\n")


def photograph(seed: int) -> bytes:
    """A JPEG of 1080 x 1350: another part of one of scikit-learn's two photographs for every `seed`, enlarged."""
    draw = random.Random(seed)
    whole = Image.fromarray(load_sample_image(PHOTOGRAPHS[seed % len(PHOTOGRAPHS)]))
    width = draw.uniform(0.4, 0.5) * whole.width
    height = width * SIZE_PX[1] / SIZE_PX[0]
    left, top = draw.uniform(0, whole.width - width), draw.uniform(0, whole.height - height)
    part = whole.resize(SIZE_PX, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    file = io.BytesIO()
    part.save(file, "JPEG", quality=88)
    return file.getvalue()


def compare(load: Load, bundle: Bundle, pictures: list[bytes], captions: bool) -> dict[str, Figures]:
    """`floor`, the faster of its two, and `service`: in turns of the same length, after a warm-up that counts for nothing."""
    with _serving(load.bundle, captions) as port:
        session = open_encoder(load.bundle / "encoder.onnx")
        sides = {f"floor {threads}": floor(session, bundle, captions, threads) for threads in sorted({1, os.cpu_count() or 1})}
        sides["service"] = service(load, port)
        turns: dict[str, list[Turn]] = {name: [] for name in sides}
        for side in sides.values():
            _turn(side, pictures, load.seconds / load.rounds * WARM_UP)
        for _ in range(load.rounds):
            for name, side in sides.items():
                turns[name].append(_turn(side, pictures, load.seconds / load.rounds))
    figures = {name: _figures(found) for name, found in turns.items()}
    floors = [found for name, found in figures.items() if name != "service"]
    return {"floor": max(floors, key=lambda found: found.images_per_s), "service": figures["service"]}


def floor(session: Session, bundle: Bundle, captions: bool, threads: int) -> Side:
    """Decode, views and encoder passes alone, in this process."""

    def answer(data: bytes) -> dict[str, int]:
        _encode(session, bundle, data, captions)
        return {}

    return Side(answer, threads, time.process_time)


def _encode(session: Session, bundle: Bundle, data: bytes, captions: bool) -> None:
    image = decode(data).image
    views = [detection_view(image, bundle.views)] + ([caption_view(image, bundle.views)] if captions else [])
    session.run({"pixels": np.stack([to_tensor(view, bundle.views) for view in views])})


def service(load: Load, port: int) -> Side:
    """The service on `port`, asked by `load.clients` clients, each over one connection at a time."""
    connections = threading.local()

    def answer(data: bytes) -> dict[str, int]:
        if not hasattr(connections, "http"):
            connections.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connections.http.request("POST", "/v1/analyses", data, {"Content-Type": "image/jpeg"})
        response = connections.http.getresponse()
        report = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"the service answered {response.status}: {report}")
        return _kinds(report)

    return Side(answer, load.clients, lambda: _cpu_seconds(port))


def _kinds(report: dict[str, Any]) -> dict[str, int]:
    kinds = {f"missing {missing['part']}": 1 for missing in report["missing"]}
    inference = report["inference"] or {}
    return kinds | {"captions": int(report["caption"] is not None), "re-encoded": int(inference.get("interval") is not None)}


@contextmanager
def _serving(bundle: Path, captions: bool) -> Iterator[int]:
    with socket.socket() as free, tempfile.TemporaryDirectory() as data:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = os.environ | {"PELLUCID_CAPTIONS": str(captions), "PELLUCID_LOG_LEVEL": "warning"}
        # The same pictures come again and again, and each must be measured.
        environment["PELLUCID_REUSE_ANSWERS"] = "false"
        command = [sys.executable, "-c", "from pellucid.cli import main; main()", "serve"]
        options = ["--port", str(port), "--data", data, "--bundle", str(bundle)]
        process = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL)
        try:
            _wait_until_ready(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(START_S)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if _get(port, "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the service was not ready after {START_S} s (exit status {process.poll()})")


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _cpu_seconds(port: int) -> float:
    found = re.search(r"^process_cpu_seconds_total (\S+)$", _get(port, "/metrics")[1], re.MULTILINE)
    assert found, "/metrics names no process_cpu_seconds_total"
    return float(found[1])


def _turn(side: Side, pictures: list[bytes], seconds: float) -> Turn:
    cpu_before, begun = side.cpu_s(), time.perf_counter()
    latencies_ms, answers = _ask(side.answer, pictures, side.threads, seconds)
    return Turn(latencies_ms, answers, time.perf_counter() - begun, side.cpu_s() - cpu_before)


def _figures(turns: list[Turn]) -> Figures:
    """Of all rounds together."""
    latencies_ms = [latency for turn in turns for latency in turn.latencies_ms]
    kinds = sorted({kind for turn in turns for kind in turn.answers})
    p50, p95 = np.percentile(latencies_ms, [50, 95])
    count, took_s, cpu_s = len(latencies_ms), sum(turn.took_s for turn in turns), sum(turn.cpu_s for turn in turns)
    return Figures(
        images=count, images_per_s=round(count / took_s, 2), cpu_s_per_image=round(cpu_s / count, 4), p50_ms=round(float(p50), 1),
        p95_ms=round(float(p95), 1), answers={kind: sum(turn.answers.get(kind, 0) for turn in turns) for kind in kinds},
        images_per_s_by_round=tuple(round(len(turn.latencies_ms) / turn.took_s, 2) for turn in turns),
    )  # fmt: skip


def _ask(
    answer: Callable[[bytes], dict[str, int]], pictures: list[bytes], threads: int, seconds: float
) -> tuple[list[float], dict[str, int]]:
    until_s = time.perf_counter() + seconds
    latencies_ms: list[float] = []
    answers: dict[str, int] = {}
    lock = threading.Lock()

    def client(number: int) -> None:
        turn = number
        while time.perf_counter() < until_s or turn == number:
            begun = time.perf_counter()
            kinds = answer(pictures[turn % len(pictures)])
            turn += threads
            with lock:
                latencies_ms.append((time.perf_counter() - begun) * 1000)
                for kind, count in kinds.items():
                    answers[kind] = answers.get(kind, 0) + count

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(client, range(threads)))
    return latencies_ms, answers


def _ratios(floor: Figures, service: Figures) -> dict[str, float]:
    """1 is the floor: nothing is done but decoding and encoding."""
    return {
        "images_per_s": round(service.images_per_s / floor.images_per_s, 3),
        "cpu_s_per_image": round(floor.cpu_s_per_image / service.cpu_s_per_image, 3),
    }


def _show(runs: dict[str, dict[str, Figures]], bundle: Bundle, load: Load) -> None:
    table = Table(title=f"{bundle.label}, {load.clients} clients, {os.cpu_count()} cores, {_processor()}")
    for column in ("", "", "images/s", "CPU s/image", "p50 ms", "p95 ms", "of the floor", "CPU, of the floor"):
        table.add_column(column, justify="right" if column else "left")
    for name, run in runs.items():
        ratios = _ratios(run["floor"], run["service"])
        for kind, figures in run.items():
            row = (figures.images_per_s, figures.cpu_s_per_image, figures.p50_ms, figures.p95_ms)
            shares = [f"{share:.0%}" for share in ratios.values()] if kind == "service" else ["", ""]
            table.add_row(name, kind, *map(str, row), *shares)
    console = Console()
    console.print(table)
    for name, run in runs.items():
        rounds = zip(run["service"].images_per_s_by_round, run["floor"].images_per_s_by_round, strict=True)
        shares = ", ".join(f"{of_service / of_floor:.0%}" for of_service, of_floor in rounds)
        console.print(f"{name}: of {run['service'].images} reports, {run['service'].answers}; of the floor by round: {shares}")


def _record(runs: dict[str, dict[str, Figures]], bundle: Bundle, load: Load) -> dict[str, Any]:
    machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    figures = {name: {kind: asdict(run[kind]) for kind in run} | {"ratio": _ratios(**run)} for name, run in runs.items()}
    return {
        "date": datetime.now(UTC).date().isoformat(), "bundle": bundle.label, "machine": machine, "clients": load.clients,
        "pictures": load.pictures, "size_px": SIZE_PX, "seconds": load.seconds, "rounds": load.rounds, "runs": figures,
    }  # fmt: skip


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", facts.read_text(), re.MULTILINE) if facts.exists() else []
    return names[0] if names else platform.processor()


def _arguments() -> tuple[Load, Path | None]:
    from pellucid.base.settings import shipped

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--bundle", type=Path, default=shipped("bundle"), help="folder of the bundle; the shipped one if not given"
    )
    parser.add_argument("--pictures", type=int, default=32, help="different pictures, asked in turn")
    parser.add_argument("--clients", type=int, default=16, help="clients that ask at the same time")
    parser.add_argument("--seconds", type=float, default=30, help="seconds each of both floors and the service are asked")
    parser.add_argument("--rounds", type=int, default=5, help="turns into which these seconds are cut")
    parser.add_argument("--json", type=Path, help="file for the figures")
    found = parser.parse_args()
    return Load(found.bundle, found.pictures, found.clients, found.seconds, found.rounds), found.json


if __name__ == "__main__":
    main()
