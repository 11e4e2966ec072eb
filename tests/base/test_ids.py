"""Ids are ULIDs: they sort by time and nobody guesses them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.ids import PATTERN, first_id, is_id, moment_of, new_id


def test_ids_sort_by_the_time_they_were_made() -> None:
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()


def test_ids_are_never_the_same() -> None:
    assert len({new_id() for _ in range(2000)}) == 2000


def test_an_id_is_one_and_fits_the_documented_pattern() -> None:
    given_id = new_id()
    assert is_id(given_id)
    assert re.search(PATTERN, given_id)


@given(st.text(max_size=30) | st.text("01789ABCIZ", min_size=26, max_size=26))
def test_the_pattern_and_the_check_agree(text: str) -> None:
    assert is_id(text) == (re.fullmatch(PATTERN.strip("^$"), text) is not None)


def test_an_id_tells_when_it_was_made_and_sorts_behind_the_first_of_that_moment() -> None:
    moment = datetime(2026, 11, 26, 10, 0, 0, 123000, tzinfo=UTC)
    assert moment_of(new_id(moment)) == moment
    assert new_id(moment - timedelta(milliseconds=1)) < first_id(moment) <= new_id(moment)
