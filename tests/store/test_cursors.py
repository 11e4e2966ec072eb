"""A cursor leads back to the place it was made of, and only in its own list."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import FiniteFloat

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import new_id
from pellucid.feedback.queue import CURSORS as QUEUE
from pellucid.serve.search import CURSORS as SEARCH
from pellucid.store.cursors import REPORTS, STATEMENTS, Cursors
from pellucid.store.moderation_queue import Place as InLine
from pellucid.store.search import Place

LISTS = {
    "reports": (REPORTS, new_id()),
    "statements": (STATEMENTS, new_id()),
    "queue": (QUEUE, InLine("second", 12.5, new_id())),
    "search": (SEARCH, Place(20, 77)),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_is_read_as_it_was_written_and_fits_into_its_parameter(name: str) -> None:
    cursors, place = LISTS[name]
    assert cursors.read(cursors.write(place)) == place
    assert len(cursors.write(place)) <= 200


@pytest.mark.parametrize("name", LISTS)
def test_the_cursor_of_one_list_is_none_of_another(name: str) -> None:
    cursors, place = LISTS[name]
    for other, (theirs, _) in LISTS.items():
        if other != name:
            with pytest.raises(InvalidParameter, match="not one that this list gave"):
                theirs.read(cursors.write(place))


@dataclass(frozen=True)
class Spot:
    high: FiniteFloat
    name: str = ""


@pytest.mark.parametrize("said", ["", "{}", "[]", '{"high": "1"}', '{"high": NaN}', '{"high": 1e999}', '{"high": 1', "[" * 9000])
def test_a_place_of_another_shape_is_refused(said: str) -> None:
    with pytest.raises(InvalidParameter):
        Cursors("spots", Spot).read(base64.urlsafe_b64encode(f"spots:{said}".encode()).decode().rstrip("="))


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_comes_is_a_place_or_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameter):
        REPORTS.read(cursor)
