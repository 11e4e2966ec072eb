"""A gate's decision for people: refused or passed, why in plain words, every rule in a table, and what it was signed off on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pellucid.records.gate import Finding, GateRecord

SIGNS = {"passed": "passed", "failed": "**FAILED**", "not measured": "not measured"}


def gate_report(record: GateRecord) -> str:
    """Markdown."""
    return "\n".join(_lines(record)) + "\n"


def sentence(finding: Finding) -> str:
    """Why a finding refuses, in a line."""
    where = f" ({finding.part})" if finding.part else ""
    if finding.state == "not measured":
        return f"{finding.rule}{where} was not measured: {finding.words}. {finding.place} requires it."
    return f"{finding.rule}{where}: {finding.figure:g} against a limit of {finding.limit:g} at {finding.place}; {finding.words}."


def _lines(record: GateRecord) -> Iterator[str]:
    parties = record.parties
    yield f"# `{parties.candidate}` {'passed the gate' if record.passed else 'was refused'}"
    yield ""
    against = f"against `{parties.champion}`" if parties.champion else "without a champion: only the absolute rules hold"
    yield f"{record.created}, by policy `{parties.policy}`, {against}."
    yield ""
    yield from _why(record)
    yield "## Every rule"
    yield ""
    rows = [_row(finding) for finding in sorted(record.findings, key=lambda finding: not finding.refuses)]
    yield from _table(("rule", "part", "outcome", "figure", "limit", "place", "in words"), rows)
    yield "## Signed off"
    yield ""
    yield from _table(("what", "is"), _signature(record))


def _why(record: GateRecord) -> Iterator[str]:
    yield "## Why"
    yield ""
    if record.passed:
        kept = sum(finding.state == "passed" for finding in record.findings)
        yield f"All {kept} limits that could be measured were kept."
    for finding in record.refusals:
        yield f"- {sentence(finding)}"
    yield ""
    if silent := [finding for finding in record.findings if finding.state == "not measured" and not finding.required]:
        yield "Not measured, and not required by the policy:"
        yield ""
        yield from (f"- {finding.rule}{f' ({finding.part})' if finding.part else ''}: {finding.words}." for finding in silent)
        yield ""


def _row(finding: Finding) -> tuple[object, ...]:
    figure, limit = (None if value is None else f"{value:g}" for value in (finding.figure, finding.limit))
    return finding.rule, finding.part, SIGNS[finding.state], figure, limit, f"`{finding.place}`", finding.words.replace("|", "/")


def _signature(record: GateRecord) -> Iterator[tuple[str, str]]:
    parties = record.parties
    for number, digest in enumerate(parties.candidate_sha256, start=1):
        yield f"evaluation {number} of the candidate", f"sha256 `{digest}`"
    if parties.champion_sha256:
        yield "evaluation of the champion", f"sha256 `{parties.champion_sha256}`"
    yield f"policy {parties.policy}", f"sha256 `{parties.policy_sha256}`"
    yield "decided by", f"`{record.command}`, code {record.git_commit}, on {record.machine}"
    yield "seal of this record", f"`{record.seal}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Markdown; None is an empty cell."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    yield from ("| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in rows)
    yield ""
