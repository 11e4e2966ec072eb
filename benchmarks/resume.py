"""A worker is killed in the middle of an epoch; does the run end with the weights of one that was left in peace?

    python benchmarks/resume.py                                  DDP and FSDP2, two workers on this machine
    python benchmarks/resume.py --on ray --strategy ddp          the same in a Ray cluster that is started for it

Each row is two runs of `pellucid train` on the same made data. In the second, worker 1 gets SIGKILL once a state is kept that
is not of an epoch's end. Exit status 1 if any weights differ. A minute a row on a quiet machine of two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.made_detection import RECIPE, make

BIN = Path(sys.executable).parent
PELLUCID = [sys.executable, "-c", "from pellucid.cli import main; main()"]
SOURCE = Path(__file__).parents[1] / "src"
STEPS_AN_EPOCH = 30
STATE_STEPS = 4
START_S = 600
STARTED = re.compile(r"worker started worker=1 of=2 host=\S+ pid=(\d+)")
RESUMED = re.compile(r"going on from a state .*steps=(\d+)")


@dataclass(frozen=True)
class Run:
    """What one `pellucid train` left: the hash of its weights, and, if it was disturbed, after which steps it went on."""

    weights: str
    killed_after: int | None
    went_on_after: int | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--on", nargs="+", choices=("local", "ray"), default=["local"])
    parser.add_argument("--strategy", nargs="+", choices=("ddp", "fsdp2"), default=["ddp", "fsdp2"])
    asked = parser.parse_args()
    print("| where | strategy | killed after step | went on after step | weights | weights undisturbed | |")
    print("|---|---|---|---|---|---|---|")
    held = [same for on in asked.on for same in rows(on, asked.strategy)]
    return int(not all(held))


def rows(on: str, strategies: list[str]) -> Iterator[bool]:
    """Prints a row for each strategy; whether it held."""
    with tempfile.TemporaryDirectory(prefix="resume-") as folder, cluster(on) as environment:
        for strategy in strategies:
            quiet = train(Path(folder, f"{strategy}-quiet"), strategy, on, environment, disturb=False)
            killed = train(Path(folder, f"{strategy}-killed"), strategy, on, environment, disturb=True)
            same = killed.weights == quiet.weights and killed.went_on_after is not None
            cells = (on, strategy, killed.killed_after, killed.went_on_after, killed.weights[:12], quiet.weights[:12])
            print("|", " | ".join(str(cell) for cell in cells), "|", "same" if same else "DIFFERENT", "|", flush=True)
            yield same


def train(out: Path, strategy: str, on: str, environment: dict[str, str], disturb: bool) -> Run:
    """`pellucid train` on the made data; with `disturb`, a worker of it is killed on the way."""
    make(out)
    recipe = out / "made.toml"
    recipe.write_text(f'{RECIPE}\n[distribution]\nstrategy = "{strategy}"\nworkers = 2\nstate_steps = {STATE_STEPS}\n')
    command = [*PELLUCID, "train", str(recipe), "--out", str(out), "--on", on]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    killed_after = _kill_one(out, lines, process) if disturb else None
    status = process.wait()
    reader.join()
    if status:
        raise SystemExit("".join(lines) + f"`{' '.join(command)}` ended with {status}")
    weights = hashlib.sha256((out / "checkpoints" / "made" / "weights.safetensors").read_bytes()).hexdigest()
    steps = [int(found.group(1)) for line in lines if (found := RESUMED.search(line))]
    return Run(weights, killed_after, killed_after and next((step for step in steps if step >= killed_after), None))


def _kill_one(out: Path, lines: list[str], process: subprocess.Popen[str]) -> int:
    """End worker 1 by SIGKILL in the middle of an epoch; the steps of the newest state then."""
    while process.poll() is None:
        steps = [int(folder.name[-8:]) for folder in (out / "checkpoints").rglob("state-*")]
        workers = [int(found.group(1)) for line in tuple(lines) if (found := STARTED.search(line))]
        if workers and steps and max(steps) % STEPS_AN_EPOCH:
            os.kill(workers[-1], signal.SIGKILL)
            return max(steps)
        time.sleep(0.005)
    raise SystemExit("".join(lines) + "the run ended before a worker could be killed")


@contextmanager
def cluster(on: str) -> Iterator[dict[str, str]]:
    """The environment of a run; for `ray`, of one beside a Ray head that lives as long as the block."""
    # Nobody's own settings, and those of a test run, change what happens here.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PELLUCID_")}
    environment = {**kept, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}", "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    if on == "local":
        yield environment
        return
    port = free_port()
    # Ray listens on all addresses of the machine: nobody without the token gets in.
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"PELLUCID_RAY_ADDRESS": f"http://127.0.0.1:{port}"}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        command = [
            str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=4", f"--temp-dir={folder}", f"--port={free_port()}",
            "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}", "--include-dashboard=true",
            f"--dashboard-agent-listen-port={free_port()}", f"--ray-client-server-port={free_port()}",
            "--object-store-memory=200000000",
        ]  # fmt: skip
        # By its own process and no other: `ray stop` would stop every Ray of the machine.
        with Path(folder, "head.log").open("w") as log:
            head = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/version", head, Path(folder, "head.log"))
            yield environment
        finally:
            head.terminate()
            head.wait()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def _wait_for(url: str, head: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(START_S):
        if head.poll() is not None:
            raise SystemExit(f"the Ray head did not start: {log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"no Ray head at {url} after {START_S} s")


if __name__ == "__main__":
    sys.exit(main())
