"""The files in which hash lists are exchanged are read as their tools write them, or refused whole."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import BadExchange
from pellucid.records.bank import Entry
from pellucid.records.exchange import read_exchange

FIRST, SECOND = "0f" * 32, "a1" * 32


def entries(text: str) -> list[Entry]:
    return list(read_exchange(text.encode()).entries)


def test_reads_the_csv_that_the_command_line_tool_prints() -> None:
    text = (
        "collab,signal_type,signal_str,category,tags\r\n"
        f"Sample Signals,pdq,{FIRST},POSITIVE_CLASS,bad worse\r\n"
        "Sample Signals,video_md5,e4d909c290d0fb1ca068ffaddf22cbd0,POSITIVE_CLASS,\r\n"
        f"Sample Signals,pdq,{SECOND},NEGATIVE_CLASS,\r\n"
    )
    listed = read_exchange(text.encode())
    assert listed.entries == (Entry(pdq=FIRST, reference="Sample Signals", tags="bad worse"),)
    assert listed.passed_over == 2


def test_reads_rows_of_hash_id_time_and_tags() -> None:
    text = f"{FIRST},2880742865368386,2020-07-31T18:47:52+0000,media_type_photo disputed\n{SECOND.upper()},7,,\n"
    assert entries(text) == [
        Entry(pdq=FIRST, reference="2880742865368386", tags="media_type_photo disputed"),
        Entry(pdq=SECOND, reference="7"),
    ]


def test_reads_one_hash_a_line_with_its_kind_or_without() -> None:
    listed = read_exchange(f"# a list\n{FIRST}\npdq {SECOND}\nraw_text hello\n\n".encode())
    assert [entry.pdq for entry in listed.entries] == [FIRST, SECOND]
    assert listed.passed_over == 1


def test_reads_indicators_of_threatexchange_with_the_tags_of_their_descriptors() -> None:
    descriptors = {"data": [{"id": "9", "status": "MALICIOUS", "tags": {"data": [{"text": "b"}, {"text": "a"}]}}]}
    kept = {"id": "3", "indicator": FIRST, "type": "HASH_PDQ", "should_delete": False, "descriptors": descriptors}
    deleted = {"id": "4", "indicator": SECOND, "type": "HASH_PDQ", "should_delete": True}
    harmless = {"id": "5", "indicator": SECOND, "type": "HASH_PDQ", "descriptors": {"data": [{"status": "NON_MALICIOUS"}]}}
    other = {"id": "6", "indicator": "e4d909c290d0fb1ca068ffaddf22cbd0", "type": "HASH_MD5"}
    listed = read_exchange(json.dumps({"data": [kept, deleted, harmless, other], "paging": {}}).encode())
    assert listed.entries == (Entry(pdq=FIRST, reference="3", tags="a b"),)
    assert listed.passed_over == 3


def test_reads_descriptors_of_threatexchange() -> None:
    item = {"id": "8", "raw_indicator": FIRST, "type": "HASH_PDQ", "status": "MALICIOUS", "tags": ["x"]}
    nested = {"id": "9", "indicator": {"id": "1", "indicator": SECOND, "type": "HASH_PDQ"}, "status": "UNKNOWN"}
    assert entries(json.dumps([item, nested])) == [Entry(pdq=FIRST, reference="8", tags="x"), Entry(pdq=SECOND, reference="9")]


def test_reads_the_contents_of_a_matchers_bank() -> None:
    item = {"id": 12, "bank": {"name": "B"}, "signals": {"pdq": FIRST, "video_md5": "…"}, "metadata": {"content_id": "case-7"}}
    assert entries(json.dumps([item, {"id": 13, "signals": {"video_md5": "…"}}])) == [Entry(pdq=FIRST, reference="case-7")]


def test_a_hash_that_is_none_refuses_the_whole_file_and_names_the_line() -> None:
    with pytest.raises(BadExchange, match=r"1 entries .* line 2: 'f00'"):
        read_exchange(f"{FIRST}\nf00\n{SECOND}\n".encode())


def test_the_same_hash_twice_is_one_entry() -> None:
    assert len(entries(f"{FIRST}\n{FIRST.upper()}\n")) == 1


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[]", "{}", '{"data": 3}', "[1, null]", "collab,signal_type,signal_str\n", '{"data"']
)
def test_a_file_without_hashes_is_refused(text: str) -> None:
    with pytest.raises(BadExchange):
        read_exchange(text.encode())


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: ("[" + text).encode())))
def test_whatever_the_bytes_nothing_else_is_raised(data: bytes) -> None:
    with contextlib.suppress(BadExchange):
        read_exchange(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "signals", "pdq", "indicator", "type", "tags", "text", "descriptors", "metadata", "status"]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_whatever_the_json_nothing_else_is_raised(found: object) -> None:
    with contextlib.suppress(BadExchange):
        read_exchange(json.dumps(found).encode())
