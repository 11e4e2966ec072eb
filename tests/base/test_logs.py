"""Nobody can forge, hide or repaint a log line by what he sends."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.logs import configure_logs, escape
from pellucid.records.key import Secret


@pytest.fixture(autouse=True)
def _restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def logged(text: str, as_json: bool, **facts: object) -> str:
    stream = io.StringIO()
    configure_logs("info", as_json, stream)
    logging.getLogger("pellucid.test").info("received %s", text, extra=facts)
    return stream.getvalue()


@given(st.text(), st.booleans())
def test_whatever_was_sent_stays_on_one_printable_line(text: str, as_json: bool) -> None:
    line = logged(text, as_json, sent=text)
    assert line.endswith("\n")
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in line[:-1])


@given(st.text())
def test_json_gives_back_exactly_what_was_sent(text: str) -> None:
    assert json.loads(logged(text, as_json=True, sent=text))["sent"] == text


@given(st.text(), st.text())
def test_two_texts_never_look_the_same(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


def test_a_plain_line_says_when_how_bad_who_and_what() -> None:
    line = logged("a.jpg\n2026 INFO forged", as_json=False, ms=71)
    assert line.endswith(" INFO pellucid.test: received a.jpg\\n2026 INFO forged ms=71\n")


def test_what_a_library_stamps_on_every_record_is_not_told() -> None:
    stamped = {"_stamped_by_a_library": 1}
    assert "_ray" not in logged("a.jpg", as_json=False, **stamped)
    assert "_stamped_by_a_library" not in json.loads(logged("a.jpg", as_json=True, **stamped))


@pytest.mark.parametrize("as_json", [True, False])
def test_an_api_key_loses_its_secret_wherever_it_stands(as_json: bool) -> None:
    key = Secret.drawn()
    try:
        raise ValueError(f"key {key.text}")
    except ValueError as error:
        stream = io.StringIO()
        configure_logs("info", as_json, stream)
        logging.getLogger("x").error("GET /?key=%s", key.text, exc_info=error, extra={"sent": key.text, key.text: 1})
    assert stream.getvalue().count(f"pel_{key.id}_***") >= 4
    assert key.secret not in stream.getvalue()
    assert key.secret[:60] not in logged(key.text[:91], as_json)


def test_a_trace_is_kept_and_indented() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    try:
        raise ValueError("first\nforged")
    except ValueError:
        logging.getLogger("pellucid.test").exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_a_json_trace_is_one_line() -> None:
    stream = io.StringIO()
    configure_logs(as_json=True, stream=stream)
    try:
        raise ValueError("first\nforged")
    except ValueError:
        logging.getLogger("pellucid.test").exception("failed")
    assert "first\nforged" in json.loads(stream.getvalue())["trace"]


def test_lower_levels_are_left_out() -> None:
    stream = io.StringIO()
    configure_logs("warning", stream=stream)
    logging.getLogger("pellucid.test").info("quiet")
    assert stream.getvalue() == ""
