"""The receiver's check of `examples/check_webhook.py` and webhooks of the real service: each is believed once, no other."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
from examples.check_webhook import TOLERANCE_S, Refused, SeenIds, checked
from starlette.testclient import TestClient

from pellucid.base.webhook_signing import secret_key, signed_headers
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.receiver import Message, receiving

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
OTHER = f"whsec_{base64.b64encode(bytes(range(1, 33))).decode()}"
BODY = b'{"type": "analysis.answered"}'


@pytest.fixture
def message(make_app: MakeApp) -> Iterator[Message]:
    """One that the service has really sent."""
    with receiving() as hooks, TestClient(make_app(webhook_url=hooks.url, webhook_secrets=(SECRET,))) as client:
        client.post("/v1/analyses", content=png(), headers={"Prefer": "respond-async"})
        until = time.monotonic() + 30
        while not hooks.came:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield hooks.came[0]


def test_what_the_service_sends_is_believed_once(message: Message) -> None:
    seen = SeenIds()
    assert checked(message.headers, message.body, [SECRET], seen)["type"] == "analysis.answered"
    with pytest.raises(Refused, match="came before"):
        checked(message.headers, message.body, [SECRET], seen)


def test_what_was_recorded_and_is_sent_later_is_refused(message: Message) -> None:
    sent = int(message.headers["webhook-timestamp"])
    checked(message.headers, message.body, [SECRET], SeenIds(), now=sent + TOLERANCE_S)
    for now in (sent + TOLERANCE_S + 1, sent - TOLERANCE_S - 1, sent + 86_400):
        with pytest.raises(Refused, match="not now"):
            checked(message.headers, message.body, [SECRET], SeenIds(), now=now)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-timestamp": str(int(time.time()))},
        {"webhook-id": "another"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA v2,AAAA é"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 5000},
    ],
)
def test_whatever_is_changed_breaks_it(changed: dict[str, str]) -> None:
    then = int(time.time()) - 10
    headers = signed_headers("one", then, BODY, [secret_key(SECRET)])
    checked(headers, BODY, [SECRET], SeenIds())
    with pytest.raises(Refused):
        checked(headers | changed, BODY, [SECRET], SeenIds())


def test_another_body_or_another_secret_is_refused() -> None:
    headers = signed_headers("one", int(time.time()), BODY, [secret_key(SECRET)])
    for body, secret in ((BODY + b" ", SECRET), (BODY, OTHER)):
        with pytest.raises(Refused, match="not signed"):
            checked(headers, body, [secret], SeenIds())


def test_an_id_cannot_be_moved_into_the_timestamp_or_the_body() -> None:
    """The parts are joined by dots: `1.2` and `3` are signed as `1` and `2.3` would be, but no timestamp has a dot."""
    now = int(time.time())
    headers = signed_headers("one", now, BODY, [secret_key(SECRET)])
    with pytest.raises(Refused):
        checked(headers | {"webhook-id": f"one.{now}", "webhook-timestamp": str(now)}, BODY, [SECRET], SeenIds())


def test_while_a_secret_is_exchanged_either_is_taken() -> None:
    headers = signed_headers("one", int(time.time()), BODY, [secret_key(SECRET), secret_key(OTHER)])
    for secret in (SECRET, OTHER):
        assert checked(headers, BODY, [secret], SeenIds())


def test_a_refused_message_does_not_use_up_its_id() -> None:
    """Else anyone could have the true one refused by sending a false one first."""
    seen, headers = SeenIds(), signed_headers("one", int(time.time()), BODY, [secret_key(SECRET)])
    with pytest.raises(Refused):
        checked(headers, b"{}", [SECRET], seen)
    assert checked(headers, BODY, [SECRET], seen)


def test_ids_are_forgotten_once_their_timestamps_are_refused_anyway() -> None:
    seen = SeenIds()
    assert seen.add("one", 1000.0)
    assert not seen.add("one", 1000.0 + TOLERANCE_S)
    assert seen.add("two", 1000.0 + 2 * TOLERANCE_S + 1)
    assert set(seen.until) == {"two"}
