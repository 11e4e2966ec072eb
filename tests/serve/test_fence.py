"""A decoder that is made to crash, in a service: its picture gets a code, everybody else an answer, and nobody stays behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from pellucid.analyse.credentials import Credentials
from pellucid.analyse.fenced import Fenced
from pellucid.app import create_app
from pellucid.base.fence import Bounds, Fence
from pellucid.base.room import Room
from pellucid.base.settings import Settings, shipped
from tests.base.test_fence import below, soon
from tests.pictures import jpeg, png
from tests.serve.conftest import _stop, _wait_for
from tests.serve.fake import FakeAnalyser
from tests.tiny_bundle import make_tiny_bundle

CODES = {"abort": "decoder-crashed", "segfault": "decoder-crashed", "devour": "decoder-crashed", "hang": "decoder-too-slow"}
POLICY = 'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'
Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real server whose decoder crashes, hangs or devours memory on demand."""
    fence = Fence("tests.analyse.crashing_tasks", Bounds(workers=4, most_bytes=256 << 20, timeout_s=6))
    reader = Fenced(fence, Room(128_000_000), lambda: Credentials(shipped("trust")))
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), threads=4), FakeAnalyser(), reader)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        _wait_for(lambda: server.started)
        yield int(listening.getsockname()[1])
        _stop(server, thread)


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def post(port: int, data: bytes, **headers: str) -> Answer:
    return ask(port, "POST", "/v1/analyses", data, Content_Type="image/jpeg", **headers)


@pytest.mark.parametrize(("failure", "code"), CODES.items())
def test_whose_decoder_fails_gets_a_code_and_all_others_their_answer(port: int, failure: str, code: str) -> None:
    good = [jpeg(seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(10) as threads:
        bad = [threads.submit(post, port, jpeg(seed=9) + bytes([number]) + f"decode:{failure}".encode()) for number in range(4)]
        others = [threads.submit(post, port, good[number % 4] + bytes([number])) for number in range(40)]
        assert {status for status, _ in (each.result() for each in others)} == {200}
        assert {(status, problem["type"].rpartition(":")[2]) for status, problem in (each.result() for each in bad)} == {
            (422, code)
        }
    assert post(port, png())[0] == 200


@pytest.mark.parametrize(("failure", "code"), CODES.items())
def test_an_accepted_picture_whose_decoder_fails_ends_as_failed_with_the_code(port: int, failure: str, code: str) -> None:
    status, accepted = post(port, jpeg(seed=8) + f"decode:{failure}".encode(), Prefer="respond-async")
    assert status == 202
    ended: list[Answer] = []

    def is_over() -> bool:
        ended.append(ask(port, "GET", f"/v1/analyses/{accepted['id']}"))
        return ended[-1][0] != 202

    assert soon(is_over)
    status, problem = ended[-1]
    assert (status, problem["type"].rpartition(":")[2]) == (409, "analysis-failed")
    assert code in problem["detail"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    make_tiny_bundle(folder / "bundle")
    (folder / "policy.toml").write_text(POLICY)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(repository / "src"), str(repository)]),
        "PELLUCID_BUNDLE": str(folder / "bundle"),
        "PELLUCID_POLICY": str(folder / "policy.toml"),
        "PELLUCID_DATA_DIR": str(folder / "data"),
        "PELLUCID_PORT": "0",
        "PELLUCID_MODEL_THREADS": "1",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_that_is_killed_leaves_no_worker(environment: dict[str, str], number: int) -> None:
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        assert service.stdout is not None
        greeting = service.stdout.readline()
        port = int(greeting.rpartition(":")[2])
        assert soon(lambda: _is_ready(port)), "the service did not start"
        assert post(port, jpeg(seed=3))[0] == 200
        nursery, *idle = below(service.pid)
        assert idle, "there is no worker"
        for worker in idle:
            os.kill(worker, signal.SIGKILL)
        assert post(port, jpeg(seed=4))[0] == 200
        assert lost(port) == 1
        workers = [nursery, *below(nursery)]
        service.send_signal(number)
        service.wait(40)
    assert soon(lambda: not any(Path(f"/proc/{worker}/fd/0").exists() for worker in workers))


def lost(port: int) -> float:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return sum(float(count) for count in re.findall(r"^pellucid_workers_lost_total\{.*\} (\S+)$", text, re.MULTILINE))


def _is_ready(port: int) -> bool:
    time.sleep(0.1)
    with suppress(OSError):
        return ask(port, "GET", "/readyz")[0] == 200
    return False
