"""How good captions are: agreement with what people wrote (BLEU, ROUGE-L, CIDEr, METEOR) and objects that are not there.

Through pycocoevalcap, whose figures papers report. Its Treebank tokenizer and METEOR need Java: without it words are cut by
`runtime.vocabulary.words_of`, METEOR is missing, and the result says so under `tokenizer`. BLEU alone misleads (one constant
sentence reaches BLEU-1 .48 on Flickr8k), so CIDEr and the constant sentence stand beside it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from tqdm import tqdm

from pellucid.analyse.caption import Judges, shown
from pellucid.base.errors import DataError
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import CaptionPart
from pellucid.records.dataset import Sample, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.records.report import Caption
from pellucid.runtime.caption import CaptionResult
from pellucid.runtime.object_words import SYNONYMS, name_table, objects_named
from pellucid.runtime.vocabulary import words_of

BOOTSTRAP_ROUNDS = 1000
EXAMPLES = 12
Texts = dict[str, list[str]]


class Describes(Judges, Protocol):
    """What is asked for captions: a `LoadedBundle`."""

    def caption(self, patches: NDArray[np.generic], embedding: NDArray[np.generic]) -> CaptionResult: ...


def evaluate_captions(bundle: Describes, part: CaptionPart, features: FeatureFolder, out: Path, seed: int) -> dict[str, Any]:
    """`source/split` → scores of the bundle's captions, with controls and a few examples. Every picture is captioned."""
    samples = read_dataset(out / "data" / part.dataset).samples
    sections = {}
    for source, split in part.sources:
        chosen = [sample for sample in samples if (sample.source, sample.split) == (source, split)]
        if not chosen:
            raise DataError(f"{part.dataset} has no pictures of {source} in {split}; check `sources` of the evaluation recipe")
        train = [sample for sample in samples if (sample.source, sample.split) == (source, "train")]
        sections[f"{source}/{split}"] = _measure(bundle, chosen, train, features, seed)
    return sections


def score(references: Mapping[str, Sequence[str]], candidates: Mapping[str, str], seed: int = 0) -> dict[str, Any]:
    """BLEU-1 to 4, ROUGE-L, CIDEr with its 95 % interval over pictures. Raises `DataError` where the ids differ."""
    tokenizer, wanted, given = _tokens(references, candidates)
    bleu, _ = Bleu(4).compute_score(wanted, given, verbose=0)
    rouge, _ = Rouge().compute_score(wanted, given)
    cider, by_picture = Cider().compute_score(wanted, given)
    scores = {f"bleu_{n}": float(value) for n, value in enumerate(bleu, start=1)}
    scores |= {"rouge_l": float(rouge), "cider": float(cider)}
    rounded = {name: round(value, 4) for name, value in scores.items()}
    return {"pictures": len(candidates), "tokenizer": tokenizer, **rounded, "cider_interval": _interval(by_picture, seed)}


def meteor(references: Mapping[str, Sequence[str]], candidates: Mapping[str, str]) -> float | None:
    """METEOR 1.5 of English, which is a Java program of its own; None without Java."""
    tokenizer, wanted, given = _tokens(references, candidates)
    if tokenizer != "ptb":
        return None
    scorer = Meteor()
    try:
        value, _ = scorer.compute_score(wanted, given)
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.communicate()
    return round(float(value), 4)


def hallucinations(samples: Sequence[Sample], candidates: Mapping[str, str]) -> dict[str, Any] | None:
    """COCO objects that captions name though neither the labels nor any reference does; None where no sample is labelled."""
    names = name_table()
    named = wrong = captions_wrong = there = found = 0
    labelled = [sample for sample in samples if sample.objects is not None]
    for sample in labelled:
        labels = set(sample.objects or ()) & SYNONYMS.keys()
        known = labels.union(*(objects_named(words_of(text), names) for text in sample.captions))
        said = objects_named(words_of(candidates[sample.id]), names)
        named += len(said)
        wrong += len(said - known)
        captions_wrong += bool(said - known)
        there += len(labels)
        found += len(said & labels)
    if not labelled:
        return None
    return {
        "captions": len(labelled),
        "objects_per_caption": round(named / len(labelled), 4),
        "hallucinated_per_caption": round(wrong / len(labelled), 4),
        "captions_with_one": round(captions_wrong / len(labelled), 4),
        "share_of_named_objects": round(wrong / max(1, named), 4),
        "share_of_labelled_objects_named": round(found / max(1, there), 4),
    }


def one_human(samples: Sequence[Sample], seed: int = 0) -> dict[str, Any]:
    """The first caption of each picture judged against its others: what one person reaches."""
    several = [sample for sample in samples if len(sample.captions) > 1]
    return score({s.id: s.captions[1:] for s in several}, {s.id: s.captions[0] for s in several}, seed)


def constant_sentence(train: Sequence[Sample]) -> str:
    """The training caption whose words are the most usual: a control that looks at no picture."""
    counts = Counter(word for sample in train for text in sample.captions for word in set(words_of(text)))
    sentences = {" ".join(words_of(text)) for sample in train for text in sample.captions}
    usual = [text for text in sentences if 8 <= len(text.split()) <= 12]

    def commonness(text: str) -> tuple[float, str]:
        words = text.split()
        return sum(counts[word] for word in set(words)) / len(words), text

    return max(usual or sentences, key=commonness)


def _measure(bundle: Describes, chosen: list[Sample], train: list[Sample], features: FeatureFolder, seed: int) -> dict[str, Any]:
    arrays = features.load("caption", [sample.id for sample in chosen], ("patches", "embedding"))
    rows = zip(arrays["patches"], arrays["embedding"], strict=True)
    results = [bundle.caption(patches, embedding) for patches, embedding in tqdm(rows, total=len(chosen), unit="caption")]
    candidates = {sample.id: result.text for sample, result in zip(chosen, results, strict=True)}
    references = {sample.id: sample.captions for sample in chosen}
    section = score(references, candidates, seed) | {"meteor": meteor(references, candidates)}
    section["mean_words"] = round(float(np.mean([len(words_of(text)) for text in candidates.values()])), 2)
    section["distinct_captions"] = len(set(candidates.values()))
    deciles = np.quantile([result.score for result in results], np.arange(0.1, 1, 0.1))
    section["score_deciles"] = [round(float(value), 4) for value in deciles]
    if counted := hallucinations(chosen, candidates):
        section["hallucinated"] = counted
    told = [
        sample
        for sample, result, embedding in zip(chosen, results, arrays["embedding"], strict=True)
        if isinstance(shown(result, embedding, bundle), Caption)
    ]
    section["shown"] = _shown(told, len(chosen), candidates, seed)
    controls = {"one_human": one_human(chosen, seed)}
    if train:
        text = constant_sentence(train)
        controls["constant"] = {"text": text, **score(references, dict.fromkeys(references, text), seed)}
    section["controls"] = controls
    section["examples"] = {sample.id: candidates[sample.id] for sample in sorted(chosen, key=lambda s: s.id)[:EXAMPLES]}
    return section


def _shown(told: list[Sample], of: int, candidates: Mapping[str, str], seed: int) -> dict[str, Any]:
    """The same of the captions alone that a report would show, were all pictures of domains that the captioner knows."""
    section: dict[str, Any] = {"captions": rate(len(told), of)}
    if told:
        scores = score({one.id: one.captions for one in told}, {one.id: candidates[one.id] for one in told}, seed)
        section |= {name: scores[name] for name in ("bleu_4", "cider", "cider_interval")}
        if counted := hallucinations(told, candidates):
            section["hallucinated"] = counted
    return section


def _tokens(references: Mapping[str, Sequence[str]], candidates: Mapping[str, str]) -> tuple[str, Texts, Texts]:
    if references.keys() != candidates.keys() or not candidates:
        raise DataError(f"{len(candidates)} captions and references for {len(references)} pictures; give both for the same ids")
    tokenizer = "ptb" if shutil.which("java") else "plain"
    wanted = _cut({name: list(texts) for name, texts in references.items()}, tokenizer)
    return tokenizer, wanted, _cut({name: [text] for name, text in candidates.items()}, tokenizer)


def _cut(texts: Texts, tokenizer: str) -> Texts:
    if tokenizer == "plain":
        return {name: [" ".join(words_of(text)) for text in of] for name, of in texts.items()}
    cut: Texts = PTBTokenizer().tokenize({name: [{"caption": text or "."} for text in of] for name, of in texts.items()})
    return cut


def _interval(by_picture: Sequence[float], seed: int) -> list[float]:
    values = np.asarray(by_picture, dtype=np.float64)
    draw = np.random.default_rng(seed)
    means = [values[draw.integers(0, len(values), len(values))].mean() for _ in range(BOOTSTRAP_ROUNDS)]
    return [round(float(bound), 4) for bound in np.percentile(means, [2.5, 97.5])]
