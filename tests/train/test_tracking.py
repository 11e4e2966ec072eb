"""Runs reach MLflow whole and once, also where the server is killed in the middle: against a real server process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel

pytest.importorskip("mlflow", reason="tracking needs the extra `train`")

from pellucid.base.errors import Unavailable
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.train.journal import FILE, Journal, events, journals, new_journal
from pellucid.train.tracking import STATE, sync, tracked

STARTS_S = 300


class Told(BaseModel):
    """What `tracked` asks of a recipe."""

    kind: str = "detector"
    name: str = "made"
    dataset: str = "made"
    head: dict[str, int] = {"width": 32}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    sample = Sample(id="0", root="made", path="0.png", sha256="0", split="train", source="made", licence="CC0", label="ai")
    write_dataset(Dataset((sample,), {"made": str(tmp_path)}), tmp_path / "runs" / "data" / "made")
    return tmp_path / "runs"


def test_a_line_that_a_killed_process_left_half_is_left_out(out: Path) -> None:
    journal = new_journal(out, "made")
    journal.metric("loss", 0, 1.0)
    journal.metric("loss (a+b)", 1, 0.5)
    with (journal.folder / FILE).open("a") as file:
        file.write('{"event": "metr')
    assert [event["name"] for _, event in events(journal.folder, 0)] == ["loss", "loss _a_b_"]
    assert journals(out) == [journal.folder]


def test_an_artifact_is_kept_as_it_was_when_it_was_named(out: Path, tmp_path: Path) -> None:
    from pellucid.base.files import write_atomically

    journal, path = new_journal(out, "made"), tmp_path / "checkpoint.json"
    write_atomically(path, b"first")
    journal.artifact(path, "checkpoint")
    write_atomically(path, b"second")
    assert (journal.folder / "artifacts" / "checkpoint" / "checkpoint.json").read_bytes() == b"first"


def test_a_run_that_fails_says_so_and_its_error_goes_on(out: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracked(out, Told()):
        raise ZeroDivisionError
    (folder,) = journals(out)
    *_, (_, last) = events(folder, 0)
    assert (last["event"], last["ending"]) == ("end", "FAILED")


def test_a_server_that_is_not_there_stops_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("PELLUCID_TRACKING_URL", url)
    with tracked(out, Told()) as journal:
        journal.metric("loss", 0, 1.0)
    with pytest.raises(Unavailable, match="no tracking server answers"):
        sync(journals(out), url)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(3 * STARTS_S)
def test_a_server_killed_in_the_middle_gets_everything_once(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("PELLUCID_TRACKING_URL", url)
    plot = tmp_path / "roc.png"
    plot.write_bytes(b"a plot")
    with server(tmp_path, port) as process:
        run = tracked(out, Told())
        journal = run.__enter__()
        write_losses(journal, 0, 5)
        assert sync(journals(out), url) > 0
        assert history(MlflowClient(url)) == [0, 1, 2, 3, 4]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    write_losses(journal, 5, 10)
    journal.artifact(plot, "plots")
    run.__exit__(None, None, None)

    with server(tmp_path, port):
        client = MlflowClient(url)
        assert history(client) == [0, 1, 2, 3, 4]
        assert sync(journals(out), url) > 0
        assert history(client) == list(range(10))
        forget_what_was_sent(journal)
        sync(journals(out), url)
        assert sync(journals(out), url) == 0
        assert history(client) == list(range(10))
        (found,) = runs(client)
        assert (found.info.status, found.info.run_name) == ("FINISHED", "made")
        assert found.data.params["head.width"] == "32"
        assert found.data.tags["dataset"].startswith("made@")
        assert {"git_commit", "pellucid.journal"} <= set(found.data.tags)
        assert "system/memory_of_run_mb" in found.data.metrics
        assert [one.path for one in client.list_artifacts(found.info.run_id, "plots")] == ["plots/roc.png"]


def write_losses(journal: Journal, first: int, end: int) -> None:
    for step in range(first, end):
        journal.metric("loss/head 1", step, 1 / (1 + step))


def runs(client: object) -> list:
    experiment = client.get_experiment_by_name("pellucid-detector")  # type: ignore[attr-defined]
    return list(client.search_runs([experiment.experiment_id]))  # type: ignore[attr-defined]


def history(client: object) -> list[int]:
    """Steps of the curve as the server has them, each as often as it has it."""
    (run,) = runs(client)
    return sorted(one.step for one in client.get_metric_history(run.info.run_id, "loss/head 1"))  # type: ignore[attr-defined]


def forget_what_was_sent(journal: Journal) -> None:
    """As if the last answers of the server had been lost: nobody here knows of the run or how far it came."""
    path = journal.folder / STATE
    known = json.loads(path.read_text())
    path.write_text(json.dumps({url: {"run": None, "offset": 0} for url in known}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's own server, one worker, answering when the block begins; its process group ends with the block."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "server-artifacts"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait_until_it_answers(process, port, folder / "server.log")
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(STARTS_S):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(f"no answer in {STARTS_S} s: {log.read_text()}")
