"""Which manifests of a chain are trusted and which are faulty, from what a reader found and what signers found before.

Whoever takes a picture over checks its manifest and writes down what he found, since nobody can check it against the old picture
again. A reader reports of such a manifest only what it finds otherwise, the deltas (C2PA 2.2, section 15.11):

    found trusted then, no delta → trusted          found trusted then, delta "untrusted" → not by our list
    found faulty then → faulty, for good            not found trusted then, delta "trusted" → trusted
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.analyse.history import Standing

Json = Mapping[str, Any]
_TRUSTED, _UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"


def standing_of(store: Json) -> Standing:
    """Of all manifests in a reader's `store`."""
    results = store.get("validation_results") or {}
    now = [results.get("activeManifest"), *_deltas(results)]
    then = [part for results in _recorded(store) for part in (results.get("activeManifest"), *_deltas(results))]
    distrusted = {label for part in now for code, label in statuses(part, "failure") if code == _UNTRUSTED}
    trusted = {label for part in (*now, *then) for code, label in statuses(part, "success") if code == _TRUSTED}
    faulty = {label for part in (*now, *then) for code, label in statuses(part, "failure") if code != _UNTRUSTED}
    return Standing(frozenset(trusted - distrusted), frozenset(faulty | set(_faulty_in_the_old_form(store))))


def statuses(part: Json | None, outcome: str) -> Iterator[tuple[str, str]]:
    """(code, label of the manifest) of the statuses of an `outcome`, success or failure."""
    for status in (part or {}).get(outcome) or ():
        yield str(status.get("code")), str(status.get("url", "")).removeprefix("self#jumbf=/c2pa/").partition("/")[0]


def _deltas(results: Json) -> Iterator[Json]:
    for delta in results.get("ingredientDeltas") or ():
        yield delta.get("validationDeltas") or {}


def _ingredients(store: Json) -> Iterator[Json]:
    for manifest in (store.get("manifests") or {}).values():
        yield from manifest.get("ingredients") or ()


def _recorded(store: Json) -> Iterator[Json]:
    for ingredient in _ingredients(store):
        yield ingredient.get("validation_results") or {}


def _faulty_in_the_old_form(store: Json) -> Iterator[str]:
    """Ingredients before version 3 list only what failed."""
    for ingredient in _ingredients(store):
        codes = {str(status.get("code")) for status in ingredient.get("validation_status") or ()}
        if codes - {_UNTRUSTED}:
            yield str(ingredient.get("active_manifest"))
