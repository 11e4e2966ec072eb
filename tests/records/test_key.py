"""A key is what it looks like, and its bucket gives no more than its rate."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pellucid.base.errors import InvalidParameter
from pellucid.base.ids import is_id
from pellucid.records.key import SHAPE, WINDOW_S, Secret, allowance, parse, token_s, wish


def test_a_key_says_its_id_and_reads_back() -> None:
    drawn = Secret.drawn()
    assert re.fullmatch(r"pel_[0-9A-Z]{26}_[0-9a-f]{64}", drawn.text)
    assert is_id(drawn.id)
    assert parse(drawn.text) == drawn
    assert Secret.drawn(drawn.id).secret != drawn.secret


def test_nobody_sees_the_secret_by_printing_it() -> None:
    drawn = Secret.drawn()
    assert drawn.secret not in f"{drawn} {drawn!r} {[drawn]}"
    assert drawn.secret not in drawn.hash


@given(st.text() | st.from_regex(SHAPE).map(lambda text: text + " ") | st.from_regex(SHAPE, fullmatch=True).map(str.lower))
def test_what_has_not_the_shape_of_a_key_is_none(text: str) -> None:
    assert SHAPE.fullmatch(text) or parse(text) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "app"},
        {"name": "app", "role": "platform", "scopes": ["read"]},
        {"name": "local", "scopes": ["read"]},
        {"name": "Bootstrap", "scopes": ["read"]},
        {"name": "inheritance", "scopes": ["read"]},
        {"name": "cli:root", "scopes": ["read"]},
        {"name": "", "scopes": ["read"]},
        {"name": "app", "scopes": ["write"]},
        {"name": "app", "scopes": ["read"], "per_minute": 0},
        {"name": "app", "scopes": ["read"], "expires_in_days": 0},
    ],
)
def test_refuses_keys_that_make_no_sense(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter):
        wish(**fields)


@given(st.integers(1, 100_000), st.floats(0, 2e9))
@example(2, 1.00001)
@example(60, 1.7e9 + 0.3)
def test_a_full_bucket_is_full_and_an_empty_one_says_when_to_come_again(per_minute: int, at: float) -> None:
    first = allowance(per_minute, at + token_s(per_minute), at, refused=False)
    assert first.remaining == per_minute - 1
    refused = allowance(per_minute, at + WINDOW_S, at, refused=True)
    assert refused.remaining == 0
    assert refused.reset_s == max(1, math.ceil(token_s(per_minute)))
