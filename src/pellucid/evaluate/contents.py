"""An evaluation record → the blocks of its report: what failed first, then a chapter for each section of the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pellucid.evaluate.blocks import Block, Table, cell, percent, sure_share
from pellucid.evaluate.contents_detection import controls, detection
from pellucid.records.evaluation import Evaluation

Section = Mapping[str, Any]
EXPECTED = ("section", "where", "measure", "wanted", "found")


def contents(record: Evaluation) -> Iterator[Block]:
    for name, section in record.sections.items():
        if name == "expectations":
            yield from expectations(section)
    for name, section in record.sections.items():
        if name in CHAPTERS:
            yield from CHAPTERS[name](section)


def expectations(section: Section) -> Iterator[Block]:
    """Failing and unmeasured ones, then those that passed."""
    if not section["each"]:
        return
    lacking = [one for one in section["each"] if one["result"] != "passed"]
    passed = [one for one in section["each"] if one["result"] == "passed"]
    counts = f"{section['failed']} failed, {section['not measured']} not measured, {section['passed']} passed."
    rows = tuple((one["result"], *_expected(one)) for one in lacking)
    tables = (Table(("result", *EXPECTED), rows, frozenset(range(len(rows)))),) if rows else ()
    yield Block("Expectations that failed" if lacking else "All expectations passed", counts, tables)
    if passed:
        text = "`sure`: the one-sided 95 % bound keeps to it too; a plain figure has no bound."
        sure = {True: "yes", False: "no", None: ""}
        rows = tuple((*_expected(one), sure[one["sure"]]) for one in passed)
        yield Block("Expectations that passed", text, (Table((*EXPECTED, "sure"), rows),), level=3)


def _expected(one: Section) -> tuple[object, ...]:
    wanted = ", ".join(f"{side.replace('_', ' ')} {value:g}" for side, value in one["wanted"].items())
    found = one["found"]
    if isinstance(found, Mapping) and "of" in found:
        found = percent(found) if "at_most" in one["wanted"] else sure_share(found)
    elif isinstance(found, Mapping):
        found = found.get("note") or cell({name: found.get(name) for name in ("rate", "upper") if name in found})
    return one["section"], one["where"], one["measure"], wanted, found


def _by_split(title: str, text: str = "") -> Callable[[Section], Iterator[Block]]:
    """A chapter with one table of measures a split."""

    def chapter(section: Section) -> Iterator[Block]:
        yield Block(title, text, tuple(Table(("measure", split), tuple(found.items())) for split, found in section.items()))

    return chapter


def _stability(section: Section) -> Iterator[Block]:
    good = ("never_accused", "always_found", "ever_found", "found_clean", "verdict_unchanged")
    rows = [(name.replace("_", " "), sure_share(section[name])) for name in good]
    rows += [(name.replace("_", " "), percent(section[name])) for name in ("ever_accused", "accused_clean")]
    changes = [(name, percent(one["accused"]), sure_share(one["recall"])) for name, one in section["by_reencoding"].items()]
    text = "Each picture in the twelve re-encodings. `never accused`: a real picture is called generated under none of them."
    yield Block(
        "Stability", text,
        (Table(("measure", "share"), tuple(rows)), Table(("re-encoding", "real accused", "AI found"), tuple(changes))),
        ("stability.png",),
    )  # fmt: skip


def _fairness(section: Section) -> Iterator[Block]:
    yield Block(
        "Fairness",
        "Real pictures called generated. Skin tone is estimated from the picture, with wide limits (docs/evaluation.md); "
        "bounds of the gap hold for all pairs of groups together.",
    )
    for title, groups, gap in (
        (f"By apparent skin tone ({section['faces']} real faces)", section["skin"], section["skin_gap"]),
        ("Art against photographs", section["kinds"], section["kind_gap"]),
    ):
        rows = tuple((name, percent(one)) for name, one in groups.items())
        if gap["rate"] is None:
            said = gap["note"]
        else:
            points = f"{100 * gap['rate']:.1f} points, at most {100 * gap['upper']:.1f}"
            said = f"Largest gap: {' over '.join(gap['between'])}, {points}."
        left = f" Too few pictures for a claim: {', '.join(gap['left_out'])}." if gap["left_out"] else ""
        yield Block(title, said + left, (Table(("group", "accused"), rows),) if rows else (), level=3)


def _failure_modes(section: Section) -> Iterator[Block]:
    columns = ("accused", "accused_before", "newly_accused", "unsure")
    rows = []
    for name, one in section.items():
        unchanged = sure_share(one["unchanged"]) if "unchanged" in one else None
        rows.append((name, one["change"], *(one.get(column) for column in columns), unchanged))
    text = "Real pictures of kinds that detectors are known to get wrong. Changes are made by code and imitate the real thing."
    head = ("mode", "change", *(column.replace("_", " ") for column in columns), "verdict unchanged")
    yield Block("Known failure modes", text, (Table(head, tuple(rows)),), ("failure_modes.png",))


def _behaviour(section: Section) -> Iterator[Block]:
    rows = tuple((one["part"], one["kind"], one["says"], sure_share(one)) for one in section.values())
    text = "Templates: what must hold at the least, what must not matter, which way an answer must move."
    yield Block("Behaviour", text, (Table(("part", "kind", "what must hold", "held"), rows),))


def _time_order(section: Section) -> Iterator[Block]:
    periods = tuple((year, sure_share(one["recall"]), one["auc"]) for year, one in section["periods"].items())
    each = tuple((one["released"], name, sure_share(one["recall"]), one["auc"]) for name, one in section["generators"].items())
    undated = ", ".join(f"{name} ({count})" for name, count in section["undated"].items())
    yield Block(
        "Generators in the order of their release",
        "AUC against all real pictures of the splits." + (f" Without a date that is sure: {undated}." if undated else ""),
        (Table(("year", "recall", "AUC"), periods), Table(("released", "generator", "recall", "AUC"), each)),
        ("time_order.png",),
    )


def _replay(section: Section) -> Iterator[Block]:
    text = "One plain head (standardised logistic regression), fitted on the bundle's replay set and on all of train."
    yield Block("Retraining from the replay set", text, (Table(("measure", "found"), tuple(section.items())),))


def _retrieval(section: Section) -> Iterator[Block]:
    rows = tuple(
        (
            name.replace("_", " "),
            sure_share(one["recall_at_1"]),
            sure_share(one["recall_at_10"]),
            one["mrr_at_10"],
            one["median_ms"],
        )
        for name, one in section["arms"].items()
    )
    against = tuple(
        (says, *(section[name].get(bound) for bound in ("rate", "lower", "upper")))
        for name, says in (("times_status_quo", "times the status quo (manual share)"), ("share_of_manual", "share of manual"))
    )
    yield Block(
        "Retrieval",
        f"{section['pictures']} pictures, {section['queries']} sentences by people, none of which is indexed. 95 % bounds.",
        (
            Table(("index", "recall at 1", "recall at 10", "MRR at 10", "median ms"), rows),
            Table(("Pellucid's recall at 10", "ratio", "at least", "at most"), against),
        ),
    )


CHAPTERS: Mapping[str, Callable[[Section], Iterator[Block]]] = {
    "detection": detection,
    "controls": controls,
    "captions": _by_split("Captions"),
    "tags": _by_split("Tags", "`macro_ap` is the mean average precision (mAP) over classes with enough positives."),
    "heatmap": _by_split("Heat map"),
    "prompts": _by_split("Prompts"),
    "parity": _by_split("Parity", "The served build against the same weights in float32."),
    "caption_parity": _by_split("Parity of captions", "The served build against the same weights in float32."),
    "stability": _stability,
    "fairness": _fairness,
    "failure_modes": _failure_modes,
    "behaviour": _behaviour,
    "time_order": _time_order,
    "replay": _replay,
    "retrieval": _retrieval,
}
