"""Is the picture a known one of a hash bank, and what follows: the only place where a match becomes a decision.

| action of the bank | what a match does                                                                        |
|--------------------|------------------------------------------------------------------------------------------|
| `block`            | decision `block`; no model looks at the picture and its bytes are served to nobody       |
| `review`, `limit`  | that decision, where the policy's own is milder                                          |
| `note`             | nothing; the match is shown                                                              |

A picture whose hash says little (PDQ quality below 50: flat or empty ones) matches nothing, whatever its distance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.facts import ORIENTATIONS
from pellucid.analyse.pdq_index import PdqIndex, Words, to_words
from pellucid.records.bank import LEAST_QUALITY, Bank
from pellucid.records.report import (
    MILDEST_FIRST,
    BankMatch,
    Decision,
    ImageFacts,
    Missing,
    Model,
    Moderation,
    Report,
    Verdict,
)

WITHHELD = "a hash bank blocks the picture, so no model looked at it"
NOT_JUDGED = "Not judged: the picture is on a list of pictures that are not shown."
MODEL_PARTS = ("inference", "caption", "tags")
DECISIONS: Mapping[str, Decision] = {"block": "block", "review": "review", "limit": "limit", "note": "allow"}
References = Callable[[Sequence[int]], Mapping[int, str | None]]


@dataclass(frozen=True)
class Entries:
    """The hashes [n, 4] of all banks; of each its number in the store and the place of its bank in `rules`."""

    hashes_nw: Words
    numbers_n: NDArray[np.int64]
    banks_n: NDArray[np.int16]


class Banks:
    """Rules and entries as they were at one moment; `references` finds by what names their sources know some entries."""

    def __init__(self, rules: Sequence[Bank], entries: Entries, references: References) -> None:
        self.rules = tuple(rules)
        self._entries, self._references = entries, references
        self._index = PdqIndex(entries.hashes_nw)
        self._bounds_b = np.array([rule.bound for rule in rules], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._index)

    def matches(self, hashes: Sequence[str], quality: int) -> list[BankMatch]:
        """The nearest entry of each bank, the strictest bank first. `hashes` are one for each orientation, or the first alone."""
        if quality < LEAST_QUALITY or not len(self):
            return []
        turned_m, rows_m, bits_m = self._index.near(to_words(hashes), int(self._bounds_b.max()))
        banks_m = self._entries.banks_n[rows_m]
        within = bits_m <= self._bounds_b[banks_m]
        nearest: dict[int, tuple[int, int, int]] = {}
        for bank, bits, turned, row in zip(
            *(column[within].tolist() for column in (banks_m, bits_m, turned_m, rows_m)), strict=True
        ):
            nearest[bank] = min(nearest.get(bank, (bits, turned, row)), (bits, turned, row))
        return self._shown(nearest)

    def _shown(self, nearest: Mapping[int, tuple[int, int, int]]) -> list[BankMatch]:
        numbers = {bank: int(self._entries.numbers_n[row]) for bank, (_, _, row) in nearest.items()}
        references = self._references(list(numbers.values())) if numbers else {}
        found = [
            BankMatch(
                bank=self.rules[bank].name,
                action=self.rules[bank].action,
                hash=self._entries.hashes_nw[row].astype(">u8").tobytes().hex(),
                distance=bits,
                orientation=ORIENTATIONS[turned],
                reference=references.get(numbers[bank]),
            )
            for bank, (bits, turned, row) in nearest.items()
        ]
        return sorted(found, key=lambda match: (-MILDEST_FIRST.index(DECISIONS[match.action]), match.bank))

    def rule_of(self, match: BankMatch) -> Bank:
        return next(rule for rule in self.rules if rule.name == match.bank)


def blocks(matches: Sequence[BankMatch]) -> bool:
    return any(match.action == "block" for match in matches)


def with_matches(report: Report, matches: Sequence[BankMatch], banks: Banks) -> Report:
    """`report` with the matches shown, and their decision where it is stricter than the policy's."""
    if not matches:
        return report
    return report.model_copy(update={"matches": list(matches)} | _decided(report, banks.rule_of(matches[0])))


def withheld_report(
    report_id: str, created: str, source: str | None, image: ImageFacts, matches: Sequence[BankMatch], banks: Banks, model: Model
) -> Report:
    """Of a picture that a bank blocks: the decision and its grounds, and nothing that a model would say."""
    return Report(
        id=report_id,
        created=created,
        source=source,
        image=image,
        verdict=Verdict(label="unsure", basis=[], text=NOT_JUDGED),
        matches=list(matches),
        moderation=_of_bank(banks.rule_of(matches[0]), {}),
        model=model,
        missing=[Missing(part=part, reason=WITHHELD) for part in MODEL_PARTS],
    )


def _decided(report: Report, rule: Bank) -> dict[str, object]:
    """What changes: nothing where the policy is as strict already. A picture that could not be moderated is not allowed."""
    decision, own = DECISIONS[rule.action], report.moderation
    if decision == "allow" or (own and MILDEST_FIRST.index(own.decision) >= MILDEST_FIRST.index(decision)):
        return {}
    missing = [each for each in report.missing if each.part != "moderation"]
    return {"moderation": _of_bank(rule, own.scores if own else {}), "missing": missing}


def _of_bank(rule: Bank, scores: dict[str, float]) -> Moderation:
    return Moderation(
        decision=DECISIONS[rule.action], rule=f"bank:{rule.name}", reason=rule.reason, policy=f"bank:{rule.label}", scores=scores
    )
