"""No entry of the audit log is changed, moved, added or left out unseen."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pellucid.base.errors import InvalidParameter
from pellucid.records.audit import GENESIS, Change, Entry, Head, chain, checkpoint, timestamp, walk

START = datetime(2026, 11, 1, tzinfo=UTC)
# What details may hold; numbers as JSON's receivers can keep them (RFC 8785, RFC 7493).
LARGEST = 2**53 - 1
NUMBERS = st.integers(-LARGEST, LARGEST) | st.floats(-LARGEST, LARGEST)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.builds(
    Change,
    actor=st.sampled_from(["local", "anna", "cli:root"]),
    action=st.sampled_from(["key.created", "ruling.given"]),
    subject=st.sampled_from(["01KANJ5V7ZQ4W4X1T0QK8P3M2C", "moderation@3"]),
    details=st.dictionaries(TEXTS, VALUES, max_size=3),
)


def chained(changes: list[Change]) -> list[Entry]:
    entries: list[Entry] = []
    head = GENESIS
    for minute, change in enumerate(changes):
        entries.append(chain(change, head, START + timedelta(minutes=minute)))
        head = Head(entries[-1].seq, entries[-1].hash)
    return entries


CHAINS = st.lists(CHANGES, min_size=1, max_size=6).map(chained)


@given(CHAINS)
def test_what_was_recorded_is_whole(entries: list[Entry]) -> None:
    found = walk(entries)
    assert (found.head, found.entries, found.fault) == (Head(len(entries), entries[-1].hash), len(entries), None)


@given(CHAINS, st.data())
def test_any_change_of_any_field_of_any_entry_is_found_at_that_entry(entries: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(Entry)]))
    before = getattr(entries[place], name)
    after: Any = data.draw(st.integers(0, 99) if name == "seq" else TEXTS | st.just(f"{before} ") | st.just("{}"))
    assume(after != before)
    entries[place] = replace(entries[place], **{name: after})
    found = walk(entries)
    assert found.fault is not None
    assert found.head.seq == place


@given(CHAINS, st.data())
def test_a_changed_value_inside_the_details_is_found(entries: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    details = data.draw(st.dictionaries(TEXTS, VALUES, max_size=3))
    text = json.dumps(details)
    assume(text != entries[place].details)
    entries[place] = replace(entries[place], details=text)
    assert walk(entries).head.seq == place


@given(CHAINS, st.data())
def test_an_entry_left_out_or_moved_or_added_is_found(entries: list[Entry], data: st.DataObject) -> None:
    left_out = data.draw(st.integers(0, len(entries) - 1))
    rest = entries[:left_out] + entries[left_out + 1 :]
    assume(rest != entries[: len(rest)])  # less the last one is a chain that ends sooner: see checkpoints
    assert walk(rest).fault is not None
    assert walk([*rest, entries[left_out]]).fault is not None
    assert walk([*entries, entries[left_out]]).fault is not None


@given(CHAINS, st.data())
def test_a_cut_off_end_is_found_by_a_checkpoint_and_only_by_it(entries: list[Entry], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(entries) - 1))
    last = Head(entries[-1].seq, entries[-1].hash)
    assert walk(entries[:kept]).fault is None
    found = walk(entries[:kept], checkpoints={last.seq: last.hash})
    assert (found.head.seq, found.fault is not None) == (kept, True)


@given(st.lists(CHANGES, min_size=1, max_size=4), CHANGES)
def test_a_chain_made_anew_is_found_by_a_checkpoint(changes: list[Change], other: Change) -> None:
    entries = chained(changes)
    assume(other != changes[0])
    forged = chained([other, *changes[1:]])
    assert walk(forged).fault is None
    assert walk(forged, checkpoints={1: entries[0].hash}).fault is not None


@given(CHAINS, st.data())
def test_a_walk_may_begin_in_the_middle(entries: list[Entry], data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(entries)))
    before = Head(begin, entries[begin - 1].hash) if begin else GENESIS
    assert walk(entries[begin:], before).fault is None


@pytest.mark.parametrize(
    "details", ["[NaN]", "[1e999]", '{"a":1,"a":1}', "no JSON", "[" * 100_000, '{"a": 1}', "123456789012345678901", '"\\ud800"']
)
def test_details_that_were_never_written_are_a_fault_and_no_crash(details: str) -> None:
    (entry,) = chained([Change(actor="local", action="key.created", subject="x", details={"a": 1})])
    assert walk([replace(entry, details=details)]).fault == "entry 1 was changed: its hash is not that of what it says"


@pytest.mark.parametrize("details", [{"a": float("nan")}, {"a": 2**60}, {"a": "\ud800"}])
def test_what_json_cannot_say_is_refused_before_it_is_recorded(details: dict[str, Any]) -> None:
    change = Change.model_construct(actor="local", action="key.created", subject="x", details=details)
    with pytest.raises(InvalidParameter, match="audit log"):
        chain(change, GENESIS, START)


@pytest.mark.parametrize(
    "wrong", [{"actor": ""}, {"actor": "a\nb"}, {"action": "created"}, {"action": "Key.Created"}, {"subject": "\x00"}]
)
def test_who_what_and_whom_are_single_readable_words(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Change(**{"actor": "local", "action": "key.created", "subject": "x", **wrong})


def test_the_hash_is_that_of_the_canonical_json_of_the_standard() -> None:
    """The figure is of `sha256sum` over the JSON written by hand: an export can be checked without Pellucid."""
    change = Change(actor="anna", action="key.revoked", subject="k1", details={"b": 1.0, "a": "ö", "c": 1e21})
    entry = chain(change, GENESIS, START)
    assert entry.details == '{"a":"ö","b":1,"c":1e+21}'
    assert entry.hash == "d5a6b48bbfb5cedf874d69ee89b3e3c3c005f1437e323a7bfb7f4b83bc4ae0a7"


def test_moments_are_written_in_utc_with_one_length() -> None:
    assert timestamp(START.astimezone(timezone(timedelta(hours=5)))) == "2026-11-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", ["", "1", "1:abc", f"-1:{'0' * 64}", f"1:{'G' * 64}"])
def test_a_checkpoint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="SEQ:HASH"):
        checkpoint(text)


def test_a_checkpoint_reads_back() -> None:
    assert checkpoint(f"{GENESIS}\n") == GENESIS
