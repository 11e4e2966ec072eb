"""Files in which hash lists are exchanged (ThreatExchange's tools) → entries of a bank; docs/banks.md says what is read.

| file                                             | from                                                     |
|--------------------------------------------------|----------------------------------------------------------|
| CSV with header `collab,signal_type,signal_str…` | `threatexchange dataset -P --csv`                        |
| CSV `hash,id,time,tags` without header           | the sample lists and caches of the same tools            |
| one hash a line, or `pdq HASH`                   | the file exchange of the same tools                      |
| JSON of indicators or descriptors                | ThreatExchange's `threat_updates`, `threat_descriptors`  |
| JSON of bank contents                            | hasher-matcher-actioner                                  |

Other kinds of hash, and entries that their source calls harmless or deleted, are passed over and counted. A PDQ hash that is none
refuses the whole file: half a list is worse than the list before.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.base.errors import BadExchange
from pellucid.records.bank import HASH, Entry

PDQ_NAMES = frozenset(("pdq", "hash_pdq"))
HARMLESS = frozenset(("non_malicious", "negative_class"))
HEADER = frozenset(("signal_type", "signal_str"))
SHOWN_FAULTS = 5
MOST_TEXT = 500


@dataclass(frozen=True)
class ExchangeFile:
    """The entries of a file, each hash once, and how many lines were passed over."""

    entries: tuple[Entry, ...]
    passed_over: int


@dataclass(frozen=True)
class _Line:
    """`place` is for people; `kind` names the hash; `dropped` says that its source takes it back or calls it harmless."""

    place: str
    value: str
    kind: str = "pdq"
    reference: str | None = None
    tags: str | None = None
    dropped: bool = False


def read_exchange(data: bytes) -> ExchangeFile:
    """Raises `BadExchange` naming the first lines that are wrong, or where there is no PDQ hash at all."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadExchange("the file is not text in UTF-8; give CSV, one hash a line, or JSON") from error
    try:
        lines = list(_lines_of(text))
    except csv.Error as error:
        raise BadExchange(f"the file is not CSV that can be read: {error}") from error
    kept = [line for line in lines if line.kind.lower() in PDQ_NAMES and not line.dropped]
    _refuse_faults(kept)
    if not kept:
        raise BadExchange(f"none of the {len(lines)} lines holds a PDQ hash (64 hex digits); see docs/banks.md for what is read")
    entries = {line.value.lower(): _entry(line) for line in kept}
    return ExchangeFile(tuple(entries.values()), len(lines) - len(kept))


def _lines_of(text: str) -> Iterator[_Line]:
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(text)
    first = text.partition("\n")[0]
    if {name.strip() for name in first.split(",")} >= HEADER:
        return _from_table(text)
    if "," in first:
        return _from_rows(text)
    return _from_plain(text)


def _refuse_faults(lines: Iterable[_Line]) -> None:
    wrong = [line for line in lines if not HASH.fullmatch(line.value.lower())]
    if wrong:
        shown = "; ".join(f"{line.place}: {line.value[:80]!r}" for line in wrong[:SHOWN_FAULTS])
        raise BadExchange(f"{len(wrong)} entries are no PDQ hashes (64 hex digits), so nothing was imported: {shown}")


def _entry(line: _Line) -> Entry:
    return Entry(pdq=line.value.lower(), reference=_short(line.reference), tags=_short(line.tags))


def _short(text: str | None) -> str | None:
    """As any database can keep it: no zero byte, and none of the half characters that JSON can write."""
    if not text:
        return None
    return text[:MOST_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _from_plain(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines(), start=1):
        kind, _, value = line.strip().rpartition(" ")
        if value and not line.lstrip().startswith("#"):
            yield _Line(f"line {number}", value, kind.strip() or "pdq")


def _from_rows(text: str) -> Iterator[_Line]:
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        if row:
            value, reference, _, tags = (*[cell.strip() for cell in row], "", "", "", "")[:4]
            yield _Line(f"line {number}", value, reference=reference, tags=tags)


def _from_table(text: str) -> Iterator[_Line]:
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        category = (row.get("category") or "").lower()
        yield _Line(
            f"line {number}",
            (row.get("signal_str") or "").strip(),
            (row.get("signal_type") or "").strip(),
            reference=row.get("collab"),
            tags=row.get("tags"),
            dropped=category in HARMLESS,
        )


def _from_json(text: str) -> Iterator[_Line]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadExchange(f"the file begins like JSON and is none: {error}") from error
    items = found.get("data", [found]) if isinstance(found, dict) else found
    for number, item in enumerate(items if isinstance(items, list) else [], start=1):
        if isinstance(item, dict):
            yield _from_object(f"item {number}", item)


def _from_object(place: str, item: Mapping[str, Any]) -> _Line:
    signals = item.get("signals")
    if isinstance(signals, dict):
        value = str(signals.get("pdq") or "")
        return _Line(
            place, value, "pdq" if value else "other", reference=_content_reference(item), tags=str(item.get("note") or "")
        )
    indicator = item.get("indicator", item.get("raw_indicator"))
    if isinstance(indicator, dict):
        item, indicator = {**indicator, **item}, indicator.get("indicator")
    opinions = _opinions(item)
    return _Line(
        place,
        str(indicator or ""),
        str(item.get("type") or ""),
        reference=str(item.get("id") or ""),
        tags=" ".join(sorted({tag for opinion in opinions for tag in _tags(opinion.get("tags"))})),
        dropped=bool(item.get("should_delete")) or _all_harmless(opinions),
    )


def _content_reference(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    named = metadata.get("content_id") or metadata.get("content_uri") if isinstance(metadata, dict) else None
    return str(named or item.get("id") or "")


def _opinions(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The descriptors of an indicator; a descriptor is its own."""
    below = item.get("descriptors")
    inner = below.get("data") if isinstance(below, dict) else below
    return [each for each in inner if isinstance(each, dict)] if isinstance(inner, list) and inner else [item]


def _all_harmless(opinions: list[Mapping[str, Any]]) -> bool:
    return all(str(opinion.get("status") or "").lower() in HARMLESS for opinion in opinions)


def _tags(tags: Any) -> list[str]:
    """A list of words, or ThreatExchange's `{"data": [{"text": …}]}`."""
    inner = tags.get("data") if isinstance(tags, dict) else tags
    return [str(tag.get("text") if isinstance(tag, dict) else tag) for tag in inner] if isinstance(inner, list) else []
