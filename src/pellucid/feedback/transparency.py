"""`GET /v1/transparency`: what was decided in a period, what people objected to, who was right, and how long they waited.

An error rate is given with both exact bounds (95 % each, one-sided): an appeal won is an error proved, and who does not appeal is
not counted, so what stands here is a lower estimate of how often the service is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from pellucid.analyse.agreement import agreed_share, kappa
from pellucid.base.rates import lower_bound, upper_bound
from pellucid.feedback.desk import Held
from pellucid.feedback.statements import PeriodQuery
from pellucid.records.label import Ruling, label_of
from pellucid.records.transparency import Agreement, Rate, Result, Transparency
from pellucid.store.decisions import (
    AI,
    Period,
    accused_by_machine,
    counted,
    flag_times,
    outcomes,
    votes_by_round,
)
from pellucid.store.tables import analyses, flags, rulings

router = APIRouter(prefix="/v1/transparency", tags=["recourse"])
# The mildest first: a ruling that names a milder decision than the one that stood lifts a restriction.
STRICTNESS = ("allow", "limit", "review", "block")


@router.get("", summary="A report on decisions, errors, appeals and times of a period")
async def transparency(desk: Held, asked: Annotated[PeriodQuery, Query()]) -> Transparency:
    return await desk.read(lambda connection: report_on(connection, asked.period))


def report_on(connection: Connection, period: Period) -> Transparency:
    found = list(outcomes(connection, period))
    results: Counter[Result] = Counter(result_of(each.ruling) for each in found)
    decided = results["upheld"] + results["overturned"]
    accused = accused_by_machine(connection, period)
    won = sum(result_of(each.ruling) == "overturned" and each.stood in AI for each in found)
    return Transparency(
        since=period.since and period.since.isoformat(),
        until=period.until and period.until.isoformat(),
        verdicts=counted(connection, analyses, "verdict", period),
        decisions=counted(connection, analyses, "decision", period),
        flags=counted(connection, flags, "says", period),
        appeals={result: results[result] for result in ("open", "upheld", "overturned", "settled")},
        rulings=counted(connection, rulings, "verdict", period),
        accused=accused,
        overturned_of_appeals=_rate(results["overturned"], decided),
        overturned_of_accused=_rate(won, max(accused, won)),
        agreement=_agreement(_first_pairs(votes_by_round(connection, period).values())),
        median_appeal_s=_median([(each.closed - each.made).total_seconds() for each in found if each.closed]),
        median_flag_s=_median(flag_times(connection, period)),
    )


def result_of(ruling: Ruling | None) -> Result:
    """What became of an appeal that `ruling` closed."""
    if ruling is None:
        return "open"
    if ruling.overturns or _is_milder(ruling.decision, ruling.stood_decision):
        return "overturned"
    return "settled" if label_of(ruling.stood) is None else "upheld"


def _is_milder(now: str | None, before: str | None) -> bool:
    return now is not None and before is not None and STRICTNESS.index(now) < STRICTNESS.index(before)


def _first_pairs(rounds: Iterable[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    pairs = []
    for votes in rounds:
        by_actor = dict(reversed(votes))
        verdicts = [by_actor[actor] for actor in dict.fromkeys(actor for actor, _ in votes)]
        if len(verdicts) > 1:
            pairs.append((verdicts[0], verdicts[1]))
    return pairs


def _agreement(pairs: list[tuple[str, str]]) -> Agreement:
    return Agreement(cases=len(pairs), share=agreed_share(pairs), kappa=kappa(pairs))


def _rate(count: int, of: int) -> Rate:
    return Rate(count=count, of=of, share=count / of if of else None, lower=lower_bound(count, of), upper=upper_bound(count, of))


def _median(seconds: list[float]) -> float | None:
    return median(seconds) if seconds else None
