"""What a chain of C2PA manifests tells about the making of a picture (C2PA 2.2, sections 18.15 and 18.18).

A manifest lists actions ("created", "opened", "edited"), some with a digital source type, and ingredients with manifests of
their own: the picture it came from (`parentOf`) and pictures laid into it. AI counts wherever it stands in the chain; a capture
counts only if every manifest on the way is trusted, since whoever signs last vouches for his own steps only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.analyse.source_types import says_of

Json = Mapping[str, Any]
MOST_MANIFESTS = 50
_BEGINNINGS = ("c2pa.created", "c2pa.opened")
UNKNOWN = "has_manifest"


@dataclass(frozen=True)
class History:
    """`says` as a claim does, and by whom: signers, the newest first."""

    says: str
    signers: tuple[str, ...]


def history_of(store: Json, trusted: frozenset[str]) -> History:
    """Of the active manifest of a reader's `store`; `trusted` are labels of manifests whose signer is trusted."""
    manifests = store.get("manifests") or {}
    chain = list(_chain(manifests, store.get("active_manifest"), set()))
    says = _says(manifests, store.get("active_manifest"), 0)
    if says == "captured" and not trusted.issuperset(label for label, _ in chain):
        says = UNKNOWN
    return History(says, tuple(dict.fromkeys(_signer(manifest) for _, manifest in chain)))


def _chain(manifests: Json, label: Any, seen: set[str]) -> Iterator[tuple[str, Json]]:
    """The manifest and all it rests on, each once."""
    manifest = manifests.get(label) if isinstance(label, str) else None
    if manifest is None or label in seen or len(seen) >= MOST_MANIFESTS:
        return
    seen.add(label)
    yield label, manifest
    for ingredient in manifest.get("ingredients") or ():
        yield from _chain(manifests, ingredient.get("active_manifest"), seen)


def _says(manifests: Json, label: Any, depth: int) -> str:
    manifest = manifests.get(label) if isinstance(label, str) else None
    if manifest is None or depth >= MOST_MANIFESTS:
        return UNKNOWN
    begun, added = UNKNOWN, set()
    for ingredient in manifest.get("ingredients") or ():
        of_ingredient = _says(manifests, ingredient.get("active_manifest"), depth + 1)
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
