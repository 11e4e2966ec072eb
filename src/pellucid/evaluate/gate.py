"""The gate: may this candidate become a release? Rule by rule against the policy, and against the champion where there is one.

It decides nothing by itself: every limit stands in the policy. What cannot be measured where the policy asks for it refuses, so
that a lost file never lets a model through.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pellucid.base.files import sha256_of, write_atomically
from pellucid.base.settings import shipped
from pellucid.evaluate.gate_bank import regression
from pellucid.evaluate.gate_bundle import bundle as look_at_bundle
from pellucid.evaluate.gate_leak import leaks
from pellucid.evaluate.gate_losses import losses
from pellucid.evaluate.gate_policy import Limit, PolicyFile, read_policy
from pellucid.evaluate.gate_report import gate_report
from pellucid.evaluate.gate_rules import calibration, controls, domains, expectations, floors, formats, parity, texts
from pellucid.evaluate.machine import machine
from pellucid.records.bundle import HEAD, read_bundle
from pellucid.records.checkpoint import git_commit
from pellucid.records.evaluation import Evaluation, merged, read_evaluation, write_evaluation
from pellucid.records.gate import Finding, GateRecord, Parties, write_gate

ON_RECORDS = (floors, texts, domains, calibration, formats, controls, parity, expectations)
BANK = Path("bank") / "rulings.jsonl"


@dataclass(frozen=True)
class Case:
    """What the gate is asked to look at. `evaluations`: the candidate's, the one on its test first; `out` as of the stages."""

    evaluations: Sequence[Path]
    champion: Path | None
    bundle: Path
    policy: Path
    out: Path
    bank: Path


def case(
    evaluations: Sequence[Path], champion: Path | None, bundle: Path | None, policy: Path | None, out: Path, bank: Path | None
) -> Case:
    """With the defaults: the bundle by its name under `out`, the shipped policy, the bank under `out`."""
    folder = bundle or out / "bundles" / read_evaluation(evaluations[0]).bundle.split("@")[0]
    return Case(evaluations, champion, folder, policy or shipped("policies") / "gate.toml", out, bank or out / BANK)


def run_gate(asked: Case) -> tuple[GateRecord, Path]:
    """The decision and the folder with `gate.json`, `gate.md` and the evaluation it rests on.

    Raises `ConfigError` for a wrong policy and `DataError` for a file that is no evaluation.
    """
    file = read_policy(asked.policy)
    first, *others = (read_evaluation(path) for path in asked.evaluations)
    candidate = merged(first, others)
    champion = read_evaluation(asked.champion) if asked.champion else None
    findings = tuple(judge(file, candidate, champion, asked))
    parties = Parties(
        candidate=candidate.bundle, candidate_sha256=tuple(sha256_of(path) for path in asked.evaluations),
        champion=champion.bundle if champion else None, champion_sha256=sha256_of(asked.champion) if asked.champion else None,
        policy=file.label, policy_sha256=file.sha256,
    )  # fmt: skip
    record = GateRecord(
        parties=parties, passed=not any(finding.refuses for finding in findings), findings=findings,
        created=datetime.now(UTC).isoformat(timespec="seconds"), command=" ".join(["pellucid", *sys.argv[1:]]),
        machine=machine(), git_commit=git_commit(),
    ).sealed()  # fmt: skip
    folder = asked.out / "gates" / f"{candidate.bundle.replace('@', '-')}-{record.seal[:8]}"
    write_evaluation(candidate, folder / "evaluation.json")
    write_gate(record, folder / "gate.json")
    write_atomically(folder / "gate.md", gate_report(record).encode())
    return record, folder


def judge(file: PolicyFile, candidate: Evaluation, champion: Evaluation | None, asked: Case) -> Iterator[Finding]:
    """Every finding of every rule the policy has."""
    if file.policy.final:
        limit = Limit("final evaluation", 1, file.place("final"))
        yield limit.at_least("", int(candidate.final), "the evaluation is final: made once, on the test splits")
    for rule in ON_RECORDS:
        yield from rule(file, candidate.sections)
    yield from losses(file, candidate, champion)
    if not (asked.bundle / HEAD).exists():
        words = f"there is no bundle in {asked.bundle.name}; name its folder with --bundle"
        yield Limit("bundle whole and licensed", 0, file.place("bundle")).not_measured("", words)
        return
    yield from look_at_bundle(file, asked.bundle, candidate.bundle)
    yield from leaks(file, read_bundle(asked.bundle), candidate, asked.out)
    yield from regression(file, asked.bundle, asked.bank)
