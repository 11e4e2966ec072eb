"""Does a search find the picture? A person's sentence is the query, and what stands in the index is the question.

Every arm holds the same pictures and is asked the same sentences through the search of the service, in a database of its own:

    file_names    the names the files came with
    manual_share  a share of the pictures carries one person's caption, the others nothing: the status quo of most collections
    manual        every picture carries one person's caption
    caption, tags, pellucid   the bundle's caption, its tags, and both: what the service indexes

The sentence asked for is never the one in the index, but by another person on the same picture.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.caption import shown
from pellucid.analyse.tags import choose_tags
from pellucid.base.errors import DataError
from pellucid.base.ids import new_id
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import RetrievalPart
from pellucid.records.dataset import Sample, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.records.report import Caption, ImageFacts, Model, Report, Tag, Verdict
from pellucid.runtime.bundle import LoadedBundle
from pellucid.store.analyses import Arrival, add_accepted, set_answered
from pellucid.store.database import writing
from pellucid.store.search import Search, SearchFilters
from pellucid.store.store import Store

PAGE = 10
BOOTSTRAP_ROUNDS = 1000


@dataclass(frozen=True)
class Described:
    """What an arm knows of a picture."""

    caption: str | None = None
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class Query:
    """A sentence, and the number of the picture that it was written for."""

    text: str
    picture: int


def evaluate_retrieval(
    bundle: LoadedBundle, part: RetrievalPart, features: FeatureFolder, out: Path, seed: int
) -> dict[str, Any]:
    """Figures of each arm, and how the bundle's stand to those of people. Raises `DataError` where there are no pictures."""
    samples = _chosen(part, out, seed)
    indexed, queries = _sentences(samples, part.queries, seed)
    arms = _arms(part, samples, indexed, _by_bundle(bundle, samples, features), seed)
    ranks: dict[str, NDArray[np.int64]] = {}
    found: dict[str, Any] = {}
    for name, known in arms.items():
        with _store_of(known) as (search, ids):
            ranks[name], seconds = _asked(search, ids, queries)
        found[name] = _figures(ranks[name], seconds)
    owner = np.array([query.picture for query in queries])
    return {
        "pictures": len(samples),
        "queries": len(queries),
        "arms": found,
        "times_status_quo": _ratio(ranks["pellucid"], ranks["manual_share"], owner, seed),
        "share_of_manual": _ratio(ranks["pellucid"], ranks["manual"], owner, seed),
    }


def _chosen(part: RetrievalPart, out: Path, seed: int) -> list[Sample]:
    samples = read_dataset(out / "data" / part.dataset).samples
    chosen = [one for one in samples if (one.source, one.split) == (part.source, part.split) and len(one.captions) > 1]
    if not chosen:
        raise DataError(f"{part.dataset} has no pictures of {part.source} in {part.split} with two captions or more")
    if part.pictures is None or part.pictures >= len(chosen):
        return chosen
    return sorted(random.Random(seed).sample(chosen, part.pictures), key=lambda sample: sample.id)


def _sentences(samples: Sequence[Sample], count: int, seed: int) -> tuple[list[str], list[Query]]:
    """A caption a picture for the index, and at most `count` others of each to ask for it."""
    draw = random.Random(seed)
    indexed, queries = [], []
    for number, sample in enumerate(samples):
        first, *others = draw.sample(sample.captions, len(sample.captions))
        indexed.append(first)
        queries += [Query(text, number) for text in others[:count] if text != first]
    return indexed, queries


def _arms(
    part: RetrievalPart, samples: Sequence[Sample], indexed: Sequence[str], ours: Sequence[Described], seed: int
) -> dict[str, list[Described]]:
    some = set(random.Random(seed).sample(range(len(samples)), round(part.manual_share * len(samples))))
    return {
        "file_names": [Described(" ".join(re.split(r"[\W_]+", Path(sample.path).stem))) for sample in samples],
        "manual_share": [Described(text if number in some else None) for number, text in enumerate(indexed)],
        "manual": [Described(text) for text in indexed],
        "caption": [Described(known.caption) for known in ours],
        "tags": [Described(None, known.tags) for known in ours],
        "pellucid": list(ours),
    }


def _by_bundle(bundle: LoadedBundle, samples: Sequence[Sample], features: FeatureFolder) -> list[Described]:
    """Captions and tags as a report shows them, whatever the picture's domain."""
    arrays = features.load("caption", [sample.id for sample in samples], ("patches", "embedding"))
    captioner, tag_set = bundle.heads.caption, bundle.tag_set
    if captioner is None or tag_set is None:
        raise DataError("this bundle has no captions or no tags; there is nothing of it to search by")
    captions = [
        shown(captioner.describe(patches, embedding), embedding, bundle)
        for patches, embedding in zip(arrays["patches"], arrays["embedding"], strict=True)
    ]
    tags = [tuple(choose_tags(scores, tag_set)) for scores in bundle.tags(arrays["embedding"])]
    return [
        Described(caption.text if isinstance(caption, Caption) else None, theirs)
        for caption, theirs in zip(captions, tags, strict=True)
    ]


@contextmanager
def _store_of(known: Sequence[Described]) -> Iterator[tuple[Search, list[str]]]:
    """A search over what is known of each picture, in a database that goes with the block; and the pictures' ids."""
    with tempfile.TemporaryDirectory(prefix="pellucid-retrieval-") as folder:
        store = Store.open(Path(folder))
        try:
            reports = [_report(one) for one in known]
            with writing(store.database) as connection:
                for report in reports:
                    add_accepted(connection, Arrival(report.id, datetime.now(UTC), report.image.sha256))
                    set_answered(connection, report, None)
            yield Search(store.database), [report.id for report in reports]
        finally:
            store.close()


def _report(known: Described) -> Report:
    facts = ImageFacts(sha256="0" * 64, format="JPEG", width=1, height=1, bytes=1)
    return Report(
        id=new_id(), created=datetime.now(UTC).isoformat(), image=facts, verdict=Verdict(label="unsure", basis=[], text="-"),
        model=Model(bundle="-", channel="evaluation", use="any"), tags=list(known.tags),
        caption=None if known.caption is None else Caption(text=known.caption),
    )  # fmt: skip


def _asked(search: Search, ids: Sequence[str], queries: Sequence[Query]) -> tuple[NDArray[np.int64], list[float]]:
    """The rank of each query's picture on the first page, 0 where it is not there; and seconds a query."""
    ranks, seconds = [], []
    for query in queries:
        begun = time.perf_counter()
        page = search.by_words(query.text, SearchFilters(), PAGE)
        seconds.append(time.perf_counter() - begun)
        found = [match.report.id for match in page.matches]
        wanted = ids[query.picture]
        ranks.append(found.index(wanted) + 1 if wanted in found else 0)
    return np.array(ranks), seconds


def _figures(ranks: NDArray[np.int64], seconds: Sequence[float]) -> dict[str, Any]:
    reciprocal = np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)
    return {
        "recall_at_1": rate(int((ranks == 1).sum()), len(ranks)),
        "recall_at_10": rate(int((ranks > 0).sum()), len(ranks)),
        "mrr_at_10": round(float(reciprocal.mean()), 4),
        "median_ms": round(1000 * float(np.median(seconds)), 2),
    }


def _ratio(ours: NDArray[np.int64], theirs: NDArray[np.int64], owner: NDArray[np.int64], seed: int) -> Mapping[str, Any]:
    """Of both recalls at 10, with one-sided 95 % bounds: pictures are drawn again, both arms together."""
    mine, others = (np.bincount(owner, weights=ranks > 0, minlength=owner.max() + 1) for ranks in (ours, theirs))
    draw = np.random.default_rng(seed)
    rows = [draw.integers(0, len(mine), len(mine)) for _ in range(BOOTSTRAP_ROUNDS)]
    drawn = [mine[row].sum() / others[row].sum() for row in rows if others[row].any()]
    if not drawn or not others.any():
        return {"rate": None, "note": "the other arm found nothing"}
    lower, upper = np.percentile(drawn, [5, 95])
    bounds = {"rate": mine.sum() / others.sum(), "lower": lower, "upper": upper}
    return {name: round(float(value), 4) for name, value in bounds.items()}
