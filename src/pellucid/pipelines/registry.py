"""The registry of releases in MLflow: a version for every bundle that passed the gate, and aliases that say where it runs.

A version holds the bundle as a model with a signature (`pipelines/served.py`), the gate's record and report, and the evaluation
that a later candidate is held against. What was refused is not here: `register` takes a gate record and reads it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.base.errors import ConfigError, DataError
from pellucid.records.bundle import Bundle, read_bundle, verify
from pellucid.records.gate import GateRecord, read_gate
from pellucid.train.tracking import OFF, client_of, experiment_of, reach, tracking_url

EXPERIMENT = "pellucid-release"
ALIASES = ("candidate", "staging", "canary", "production")
GATE = "gate"
MODEL = "model"
SERVED = Path(__file__).with_name("served.py")


@dataclass(frozen=True)
class Version:
    """A registered bundle: its number under the model's name, and where it runs."""

    model: str
    number: int
    bundle: str
    policy: str
    aliases: tuple[str, ...]
    run: str


@dataclass(frozen=True)
class Registry:
    """Open with `open_registry`. Raises `Unavailable` where the store is away."""

    client: Any
    url: str
    out: Path

    def register(self, model: str, bundle: Path, gate: Path) -> Version:
        """The bundle that the record in folder `gate` lets pass, as a new version with the alias `candidate`.

        The same bundle is registered once. Raises `DataError` where it was refused, is another one, or was changed since.
        """
        record, head = _passed(bundle, gate)
        known = [version for version in self.versions(model) if version.bundle == head.label]
        version = known[0] if known else self._add(model, bundle, head, record, gate)
        self.client.set_registered_model_alias(model, ALIASES[0], str(version.number))
        return self._version(model, version.number)

    def promote(self, model: str, number: int, alias: str) -> Version:
        """Let `alias` point at a version. Raises `ConfigError` for an alias or a version that is not there."""
        if alias not in ALIASES:
            raise ConfigError(f"alias was {alias!r}; allowed are {', '.join(ALIASES)}")
        if number not in {version.number for version in self.versions(model)}:
            raise ConfigError(f"{model} has no version {number}; `pellucid registry list {model}` shows them")
        self.client.set_registered_model_alias(model, alias, str(number))
        return self._version(model, number)

    def versions(self, model: str) -> list[Version]:
        """Newest first; none where nothing was registered."""
        found = self.client.search_model_versions(f"name = '{model}'")
        return sorted((self._version(model, int(one.version)) for one in found), key=lambda version: -version.number)

    def evaluation_of(self, model: str, alias: str, to: Path) -> Path | None:
        """The evaluation record of the version that `alias` points at, brought into `to`; None where it points at none."""
        chosen = [version for version in self.versions(model) if alias in version.aliases]
        if not chosen:
            return None
        return Path(self.client.download_artifacts(chosen[0].run, f"{GATE}/evaluation.json", str(to)))

    def _add(self, model: str, bundle: Path, head: Bundle, record: GateRecord, gate: Path) -> Version:
        run = self.client.create_run(experiment_of(self.client, EXPERIMENT, self.url, self.out), run_name=head.label)
        tags = {"bundle": head.label, "bundle_id": head.id, "policy": record.parties.policy, "gate_seal": record.seal}
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / MODEL
            save_model(bundle, saved)
            self.client.log_artifacts(run.info.run_id, str(saved), MODEL)
        self.client.log_artifacts(run.info.run_id, str(gate), GATE)
        self.client.set_terminated(run.info.run_id)
        if not any(one.name == model for one in self.client.search_registered_models(f"name = '{model}'")):
            self.client.create_registered_model(model)
        made = self.client.create_model_version(model, f"{run.info.artifact_uri}/{MODEL}", run.info.run_id, tags)
        return self._version(model, int(made.version))

    def _version(self, model: str, number: int) -> Version:
        found = self.client.get_model_version(model, str(number))
        tags = found.tags
        aliases = tuple(sorted(found.aliases, key=lambda alias: (alias not in ALIASES, alias)))
        return Version(model, number, tags.get("bundle", ""), tags.get("policy", ""), aliases, found.run_id)


def open_registry(out: Path) -> Registry:
    """At `PELLUCID_TRACKING_URL`, else in SQLite under `out`. Raises `ConfigError` where tracking is off."""
    url = tracking_url(out)
    if url == OFF:
        raise ConfigError(
            "PELLUCID_TRACKING_URL is none, so there is no registry; unset it for SQLite under --out, or give a server"
        )
    reach(url)
    return Registry(client_of(url), url, out)


def save_model(bundle: Path, to: Path) -> None:
    """The bundle as an MLflow model in a folder: signature, requirements, this package's code by name, no pickle."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from pellucid import __version__

    signature = ModelSignature(Schema([ColSpec("binary", "image")]), Schema([ColSpec("string", "report")]))
    requirements = [f"pellucid=={__version__}", f"mlflow=={mlflow.__version__}"]
    mlflow.pyfunc.save_model(
        str(to), python_model=str(SERVED), artifacts={"bundle": bundle.resolve().as_uri()}, signature=signature,
        pip_requirements=requirements,
    )  # fmt: skip


def _passed(bundle: Path, gate: Path) -> tuple[GateRecord, Bundle]:
    record, head = read_gate(gate / "gate.json"), read_bundle(bundle)
    if not record.passed:
        raise DataError(f"{record.parties.candidate} was refused by the gate; {gate / 'gate.md'} says why; nothing is registered")
    if record.parties.candidate != head.label:
        raise DataError(f"the gate let {record.parties.candidate} pass; {bundle} holds {head.label}; nothing is registered")
    if faults := verify(bundle):
        raise DataError(f"{bundle} was changed since the gate looked at it ({faults[0]}); nothing is registered")
    return record, head
