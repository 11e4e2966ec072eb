"""What a chain of C2PA manifests tells about the making of a picture (C2PA 2.2, sections 18.15 and 18.18).

A manifest lists actions ("created", "opened", "edited"), some with a digital source type, and ingredients with manifests of
their own: the picture it came from (`parentOf`) and pictures laid into it. Whoever signs last vouches for his own steps only:

- of manifests by signers on the trust list, AI counts wherever it stands; a capture counts only if the whole chain is theirs;
- what only manifests of others say is hearsay: worth what an unsigned mark is worth;
- a manifest that did not fit its picture when it was taken over says nothing (it may have been moved there).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.analyse.source_types import says_of

Json = Mapping[str, Any]
MOST_MANIFESTS = 50
_BEGINNINGS = ("c2pa.created", "c2pa.opened")
UNKNOWN = "has_manifest"


@dataclass(frozen=True)
class Standing:
    """Labels of manifests: whose signer is trusted, and which were found not to fit what they were on."""

    trusted: frozenset[str]
    faulty: frozenset[str] = frozenset()


@dataclass(frozen=True)
class History:
    """`says` as a claim does; what `hearsay` adds, if anything; and by whom: signers, the newest first."""

    says: str
    hearsay: str | None
    signers: tuple[str, ...]


def history_of(store: Json, standing: Standing) -> History:
    """Of the active manifest of a reader's `store`. Where that one itself is not trusted, all that is intact is its say."""
    manifests, active = store.get("manifests") or {}, store.get("active_manifest")
    chain = list(_chain(manifests, active, set()))
    labels = {label for label, _ in chain}
    intact = {label for label in labels if label == active or label not in standing.faulty}
    everything = _says(manifests, active, intact, 0)
    says = _says(manifests, active, intact & standing.trusted, 0) if active in standing.trusted else everything
    if says == "captured" and not standing.trusted.issuperset(labels):
        says = UNKNOWN
    hearsay = everything if everything != says and everything in ("generated", "edited") else None
    return History(says, hearsay, tuple(dict.fromkeys(_signer(manifest) for _, manifest in chain)))


def _chain(manifests: Json, label: Any, seen: set[str]) -> Iterator[tuple[str, Json]]:
    """The manifest and all it rests on, each once."""
    manifest = manifests.get(label) if isinstance(label, str) else None
    if manifest is None or label in seen or len(seen) >= MOST_MANIFESTS:
        return
    seen.add(label)
    yield label, manifest
    for ingredient in manifest.get("ingredients") or ():
        yield from _chain(manifests, ingredient.get("active_manifest"), seen)


def _says(manifests: Json, label: Any, heard: Collection[str], depth: int) -> str:
    """What the manifest tells if only those that are `heard` count."""
    manifest = manifests.get(label) if isinstance(label, str) and label in heard else None
    if manifest is None or depth >= MOST_MANIFESTS:
        return UNKNOWN
    begun, added = UNKNOWN, set()
    for ingredient in manifest.get("ingredients") or ():
        of_ingredient = _says(manifests, ingredient.get("active_manifest"), heard, depth + 1)
        if ingredient.get("relationship") == "parentOf":
            begun = of_ingredient
        else:
            added.add(of_ingredient)
    for action, says in _actions(manifest):
        if action in _BEGINNINGS:
            begun = says
        else:
            added.add(says)
    if begun != "generated" and added & {"generated", "edited"}:
        return "edited"
    return begun


def _actions(manifest: Json) -> Iterator[tuple[str, str]]:
    """(action, what it says) of those that name a source type that says something."""
    for assertion in manifest.get("assertions") or ():
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        for action in (assertion.get("data") or {}).get("actions") or ():
            if says := says_of(str(action.get("digitalSourceType") or "")):
                yield str(action.get("action")), says


def _signer(manifest: Json) -> str:
    signature = manifest.get("signature_info") or {}
    return str(signature.get("common_name") or signature.get("issuer") or "unknown signer")
