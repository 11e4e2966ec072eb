"""The data card: what is in a dataset, whose it is, what was taken out, what leaks, and where it is weak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pellucid.ingest.guard import CONTROL, GuardReport
from pellucid.ingest.recipe import DataRecipe
from pellucid.records.dataset import SPLITS, Sample

SHOWN = 20


def card(
    recipe: DataRecipe, samples: Sequence[Sample], lineage: dict[str, Any], guard: GuardReport | None, plots: Sequence[str]
) -> str:
    """Markdown."""
    sections = {
        "Splits": _splits(samples),
        "Domains": _domains(samples, lineage),
        "Sources and licences": _sources(samples, lineage),
        "Left out": _left_out(lineage["dropped"]),
        "Guard": _guard(guard),
        "Known weaknesses": _list(recipe.weaknesses),
        "Plots": "\n".join(f"![{name.removesuffix('.png')}](plots/{name})" for name in plots),
    }
    head = (
        f"# Data card: {recipe.name}\n\n{recipe.about}\n\n{len(samples)} samples; recipe sha256 `{lineage['recipe']['sha256']}`."
    )
    return "\n\n".join([head, *(f"## {title}\n\n{text}" for title, text in sections.items() if text)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)


def _splits(samples: Sequence[Sample]) -> str:
    counts = Counter((sample.split, sample.label or "none") for sample in samples)
    labels = sorted({label for _, label in counts})
    there = [split for split in SPLITS if any(counts[split, label] for label in labels)]
    return table(["split", *labels], ([split, *(counts[split, label] for label in labels)] for split in there))


def _domains(samples: Sequence[Sample], lineage: dict[str, Any]) -> str:
    rule = lineage.get("domains")
    if not rule:
        return "No domain rule was asked for."
    counts = Counter((sample.domain or "none", sample.label) for sample in samples)
    names = sorted({name for name, _ in counts})
    rows = table(["domain", "ai", "real"], ([name, counts[name, "ai"], counts[name, "real"]] for name in names))
    return f"{rows}\n\n{_rule(rule)}"


def _rule(rule: dict[str, Any]) -> str:
    words = [f"One rule for both labels, learned from {rule['pictures']} real pictures."]
    if rule.get("accuracy") is not None:
        words.append(f"On pictures left out {rule['accuracy']:.1%} right (mean over the domains {rule['macro_recall']:.1%}).")
    if unseen := rule.get("unseen_sources"):
        words.append(f"On {unseen['pictures']} real pictures of sources it never saw {unseen['accuracy']:.1%} right.")
    if rule["lacking"]:
        words.append(f"{rule['lacking']} samples have no features yet and so no domain.")
    text = " ".join(words)
    if "confusion" not in rule:
        return text
    rows = ([name, *row] for name, row in zip(rule["names"], rule["confusion"], strict=True))
    return f"{text}\n\nConfusion (declared by row, found by column):\n\n{table(['', *rule['names']], rows)}"


def _sources(samples: Sequence[Sample], lineage: dict[str, Any]) -> str:
    counts = Counter((sample.source, sample.label or "none", sample.licence, sample.ship) for sample in samples)
    origins = lineage["origins"]
    rows = (
        [source, label, count, licence, "yes" if ship else "no", _origin(origins.get(source, []))]
        for (source, label, licence, ship), count in sorted(counts.items())
    )
    return table(["source", "label", "samples", "licence", "may ship", "from"], rows)


def _origin(names: Sequence[str]) -> str:
    return "; ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _left_out(dropped: dict[str, Any]) -> str:
    rows = table(["why", "samples"], dropped["counts"].items()) if dropped["counts"] else "Nothing."
    named = [f"{each['sample']}: {each['why']}" for each in dropped["named"]]
    more = [f"and {len(named) - SHOWN} more, all in `dataset.json`"] if len(named) > SHOWN else []
    return f"{rows}\n\n{_list([*named[:SHOWN], *more])}" if named else rows


def _guard(guard: GuardReport | None) -> str:
    if guard is None:
        return "Not asked for: the pictures carry no labels that file facts could give away."
    findings = guard.findings | ({f"{CONTROL} (content, not judged)": guard.control} if guard.control else {})
    rows = ([name, f"{each.auc:.3f}", f"{each.spread:.3f}", f"{each.known:.3f}"] for name, each in findings.items())
    head = (
        f"Chain `{guard.chain}`, {guard.ai} AI and {guard.real} real pictures of {guard.sources} sources; "
        f"refused above {guard.limit:.2f}. The AUC is of sources left out, as it comes: "
        "below .5 means that what held for other sources misleads here."
    )
    return f"{head}\n\n{table(['facts', 'AUC', 'spread over folds', 'AUC on sources seen'], rows)}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
