"""Runs in MLflow: parameters, data, code, curves, plots and the checkpoint, in SQLite under `--out` or on a server.

Every run writes its journal first (`train/journal.py`); this sends journals on. Sending twice changes nothing: a run is found
again by the name of its journal, and MLflow's SQL stores keep one row for one (metric, step, time, value). How far a journal was
sent stands beside it, for each store. So a server may be away, die in the middle and come back.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pellucid.base.errors import Unavailable
from pellucid.base.files import write_atomically
from pellucid.base.settings import read_settings
from pellucid.records.checkpoint import git_commit
from pellucid.records.dataset import read_dataset
from pellucid.train.journal import Ending, Event, Journal, events, flat, journals, new_journal
from pellucid.train.machine_load import sampled

log = logging.getLogger("pellucid.tracking")

OFF = "none"
STATE = "sent.json"
LOCK = "sent.lock"
JOURNAL_TAG = "pellucid.journal"
BATCH = 500
LONGEST_PARAM = 6000
ANSWER_S = 2.0
EVERY_S = 10.0
AFTER_FAILURE_S = 60.0


@dataclass
class Sender:
    """Sends one journal now and then while its run goes on; after a failure it waits before it tries again."""

    url: str
    folder: Path
    due: float = field(default_factory=lambda: time.monotonic() + EVERY_S)

    def __call__(self) -> None:
        if time.monotonic() < self.due or not self.url.startswith("http"):
            return
        self.due = time.monotonic() + AFTER_FAILURE_S
        if try_sync([self.folder], self.url):
            self.due = time.monotonic() + EVERY_S


@contextmanager
def tracked(out: Path, recipe: Any) -> Iterator[Journal]:
    """A journal for the run that `recipe` (with kind and name) describes; at its end all journals are sent."""
    url = tracking_url(out)
    journal = new_journal(out, recipe.name)
    journal = replace(journal, written=Sender(url, journal.folder))
    told = {name: str(value)[:LONGEST_PARAM] for name, value in flat(json.loads(recipe.model_dump_json())).items()}
    journal.start(recipe.name, recipe.kind, told, {"git_commit": git_commit(), "dataset": "+".join(_data_of(recipe, out))})
    ending: Ending = "FAILED"
    try:
        with sampled(journal):
            yield journal
        ending = "FINISHED"
    finally:
        journal.end(ending)
        try_sync(journals(out), url)


def record_checkpoint(journal: Journal, folder: Path) -> None:
    """The checkpoint's files as artifacts, and its figures as metrics."""
    head = json.loads((folder / "checkpoint.json").read_bytes())
    for name, value in flat(head["metrics"]).items():
        if isinstance(value, int | float):
            journal.metric(name, 0, float(value))
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors")):
        journal.artifact(path, "checkpoint")


def tracking_url(out: Path) -> str:
    """Where runs are kept: `PELLUCID_TRACKING_URL`, else SQLite under `out`."""
    return read_settings().tracking_url or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def try_sync(folders: Sequence[Path], url: str) -> bool:
    """Send what was not sent. False, with a warning and nothing lost, where the store is away."""
    try:
        sync(folders, url)
    except Unavailable as error:
        log.warning("%s; training goes on, the journal keeps it for `pellucid track sync`", error.detail)
        return False
    return True


def sync(folders: Sequence[Path], url: str) -> int:
    """Events sent from the journals in `folders`. Raises `Unavailable` where the store cannot be reached or fails."""
    waiting = [folder for folder in folders if url != OFF and next(events(folder, _sent(folder, url)["offset"]), None)]
    if not waiting:
        return 0
    reach(url)
    client = client_of(url)
    from mlflow.exceptions import MlflowException

    try:
        return sum(_send(folder, client, url) for folder in waiting)
    except (MlflowException, OSError) as error:
        raise Unavailable(f"the tracking store at {url} failed: {str(error).splitlines()[0]}") from error


def client_of(url: str) -> Any:
    """MLflow's client. A server that dies in the middle of a call is noticed in seconds, not in a quarter of an hour."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    from mlflow.tracking import MlflowClient

    return MlflowClient(url)


def reach(url: str) -> None:
    """Raises `Unavailable` where `url` is a server that does not answer."""
    if not url.startswith("http"):
        return
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=ANSWER_S):  # noqa: S310 - the site's own setting
            return
    except OSError as error:
        raise Unavailable(f"no tracking server answers at {url} ({error})") from error


def _data_of(recipe: Any, out: Path) -> Iterator[str]:
    """NAME@ID of each dataset that a run reads; an ensemble reads none, its members did."""
    names = [recipe.dataset] if hasattr(recipe, "dataset") else [part.dataset for part in getattr(recipe, "material", ())]
    for name in names:
        yield f"{name}@{read_dataset(out / 'data' / name).id}"


def experiment_of(client: Any, name: str, url: str, out: Path) -> str:
    """The experiment's id, made where it is not there; beside a local database artifacts lie in `out/mlartifacts`."""
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    place = None if url.startswith("http") else (out / "mlartifacts").resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _send(folder: Path, client: Any, url: str) -> int:
    with _alone(folder):
        state = _sent(folder, url)
        waiting = list(events(folder, state["offset"]))
        if waiting and not state["run"]:
            state["run"] = _run_of(folder, client, url, waiting[0][1])
        for start in range(0, len(waiting), BATCH):
            some = waiting[start : start + BATCH]
            _deliver(folder, client, state["run"], [event for _, event in some])
            _remember(folder, url, {**state, "offset": some[-1][0]})
    return len(waiting)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One sender a journal at a time, whatever threads and processes there are: two would make two runs."""
    with (folder / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_of(folder: Path, client: Any, url: str, start: Event) -> str:
    """The run of this journal: the one that has its name already (an answer may have been lost), or a new one."""
    experiment = experiment_of(client, f"pellucid-{start['kind']}", url, folder.parents[1])
    known = client.search_runs([experiment], f"tags.`{JOURNAL_TAG}` = '{folder.name}'", max_results=1)
    if known:
        return str(known[0].info.run_id)
    tags = {**start["tags"], JOURNAL_TAG: folder.name}
    return str(client.create_run(experiment, start["at_ms"], tags, start["name"]).info.run_id)


def _deliver(folder: Path, client: Any, run: str, some: Sequence[Event]) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(one["name"], one["value"], one["at_ms"], one["step"]) for one in some if one["event"] == "metric"]
    if metrics:
        client.log_batch(run, metrics=metrics)
    for one in some:
        if one["event"] == "start":
            params = [Param(name, value) for name, value in one["params"].items()]
            for start in range(0, len(params), 100):
                client.log_batch(run, params=params[start : start + 100])
        elif one["event"] == "artifact":
            client.log_artifact(run, str(folder / one["file"]), one["under"] or None)
        elif one["event"] == "end":
            client.set_terminated(run, one["ending"], one["at_ms"])


def _sent(folder: Path, url: str) -> dict[str, Any]:
    path = folder / STATE
    known = json.loads(path.read_bytes()) if path.exists() else {}
    return dict(known.get(url, {"run": None, "offset": 0}))


def _remember(folder: Path, url: str, state: dict[str, Any]) -> None:
    path = folder / STATE
    known = json.loads(path.read_bytes()) if path.exists() else {}
    write_atomically(path, json.dumps({**known, url: state}, indent=1).encode())
