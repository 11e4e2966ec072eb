"""What is sent again and what is not; waits as the service asks; one analysis however often it was sent."""

from __future__ import annotations

import random
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.client import Client, ConnectionFailed, RateLimited, Retries, TimedOut, Unavailable, UnexpectedAnswer
from pellucid.client.retries import retry_after_s
from tests.client.conftest import QUICK, Serve
from tests.client.flaky import Answer, codes_of, flaky, problem
from tests.pictures import png
from tests.serve.fake import FakeAnalyser

ID = "01KANJ5V7ZQ4W4X1T0QK8P3M2C"
MODELS = Answer(200, b'{"models": []}')
FLAG = Answer(201, f'{{"id": "{ID}", "analysis": "{ID}", "created": "", "actor": "a", "says": "generated"}}'.encode())
BUSY = problem(503, "busy")
LIMITED = problem(429, "rate-limited")
BROKEN = Answer(0)
GATEWAY = Answer(502, b"bad gateway", "text/plain")


def test_an_answer_that_comes_too_late_is_found_by_the_same_key_and_there_is_one_analysis(serve: Serve) -> None:
    analyser = FakeAnalyser(seconds=0.5)
    patient = Retries(attempts=10, first_wait_s=0.05)
    with Client(f"http://127.0.0.1:{serve(analyser, analysis_timeout_s=0.2)}", retries=patient) as client:
        report = client.analyse(png(), name="slow.png")
        assert [each.id for each in client.list()] == [report.id]
    assert analyser.begun == ["slow.png"]


def test_every_attempt_of_an_analysis_bears_the_same_key_and_another_analysis_another() -> None:
    with flaky(BUSY, GATEWAY, BROKEN, BUSY, BUSY) as server, Client(server.url, retries=QUICK) as client:
        with pytest.raises(ConnectionFailed):
            client.analyse(png())
        with pytest.raises(Unavailable):
            Client(server.url, retries=Retries(attempts=2, first_wait_s=0.01)).analyse(png())
    keys = codes_of(server.asked, "idempotency-key")
    assert len(set(keys[:3])) == 1
    assert len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert len({body for _, _, _, body in server.asked}) == 1


@pytest.mark.parametrize("refusal", [BUSY, LIMITED])
def test_what_the_service_refused_is_sent_again_also_where_twice_would_be_too_often(refusal: Answer) -> None:
    with flaky(refusal, FLAG) as server, Client(server.url, retries=QUICK) as client:
        assert client.flag(ID, "generated").says == "generated"


@pytest.mark.parametrize("failure", [BROKEN, GATEWAY, Answer(503, b"no healthy upstream", "text/plain")])
def test_what_may_have_been_done_is_sent_again_only_where_twice_is_no_more_than_once(failure: Answer) -> None:
    with flaky(failure, failure, MODELS) as server, Client(server.url, retries=QUICK) as client:
        client.models()
    with flaky(failure, FLAG) as server, Client(server.url, retries=QUICK) as client:
        with pytest.raises((ConnectionFailed, UnexpectedAnswer)):
            client.flag(ID, "generated")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "bad-request"), (409, "appeal-open"), (500, "internal"), (422, "broken-image")]
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(status: int, code: str) -> None:
    with flaky(problem(status, code)) as server, Client(server.url, retries=QUICK) as client:
        with pytest.raises(Exception, match=code):
            client.models()
        assert len(server.asked) == 1


def test_gives_up_after_its_attempts_with_the_last_answer() -> None:
    with flaky(BUSY, BUSY, BUSY) as server, Client(server.url, retries=QUICK) as client, pytest.raises(Unavailable):
        client.models()
    assert server.answers == []


def test_does_not_wait_longer_than_it_may_and_says_what_was_asked_for() -> None:
    with flaky(problem(429, "rate-limited", Retry_After="900")) as server, Client(server.url) as client:
        with pytest.raises(RateLimited) as told:
            client.models()
        assert told.value.retry_after_s == 900


def test_a_rate_that_is_used_up_is_waited_for(serve: Serve) -> None:
    """600 a minute are ten a second: the service asks for a second, which is waited."""
    url = f"http://127.0.0.1:{serve(api_keys=('0123456789abcdef',))}"
    with Client(url, "0123456789abcdef") as admin:
        key = admin.admin.make_key("fast", scopes=["read"], per_minute=60).key
    with Client(url, key, retries=Retries(attempts=1)) as impatient:
        for _ in range(59):
            impatient.models()
    with Client(url, key) as client:
        for _ in range(3):
            client.models()


def test_nobody_there_is_a_connection_that_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", retries=QUICK) as client:
        with pytest.raises(ConnectionFailed, match="3 attempts"):
            client.models()
        assert not client.ready()


def test_silence_is_timed_out() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1, retries=QUICK) as client,
        pytest.raises(TimedOut, match="ReadTimeout after 3 attempts"),
    ):
        client.models()


@given(
    attempt=st.integers(1, 12), attempts=st.integers(1, 12), asked=st.none() | st.floats(0, 100), first=st.floats(0.01, 10),
    longest=st.floats(0.01, 100), seed=st.integers(),
)  # fmt: skip
def test_waits_at_least_what_was_asked_and_at_most_a_quarter_more_than_allowed(
    attempt: int, attempts: int, asked: float | None, first: float, longest: float, seed: int
) -> None:
    wait_s = Retries(attempts, first, longest).wait_s(attempt, asked, random.Random(seed))
    if attempt >= attempts or (asked or 0) > longest:
        assert wait_s is None
    else:
        assert wait_s is not None
        assert (asked or 0) <= wait_s <= 1.25 * longest


def test_reads_seconds_and_dates_and_nothing_else() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert retry_after_s("7") == 7
    assert 55 < (retry_after_s(format_datetime(soon, usegmt=True)) or 0) <= 60
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [retry_after_s(text) for text in (None, "", "soon", "-1", "1.5")] == [None] * 5
