"""From the service to a receiver that checks: what is good is believed; tampered, replayed and foreign messages are not."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping

import pytest

from pellucid.base.webhook_signing import secret_key, signed_headers
from pellucid.client import Client, WebhookRefused, verify_webhook
from tests.client.conftest import QUICK, Serve
from tests.pictures import jpeg, png
from tests.serve.receiver import Message, receiving
from tests.serve.test_webhooks import wait_until

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(bytes(range(start, start + 32))).decode()}" for start in (0, 1, 2))
ID = "01KANJ5V7ZQ4W4X1T0QK8P3M2C"
BODY = f'{{"type": "analysis.answered", "timestamp": "2026-11-22T22:00:00.000Z", "data": {{"id": "{ID}"}}}}'.encode()
NOW = 1_795_384_800


def signed(body: bytes = BODY, secret: str = NEW, at: int = NOW) -> dict[str, str]:
    return signed_headers("01KANJ5V7ZQ4W4X1T0QK8P3M2D", at, body, [secret_key(secret)])


def told(serve: Serve, picture: bytes, **how: object) -> Message:
    with receiving() as messages:
        url = f"http://127.0.0.1:{serve(webhook_url=messages.url, webhook_secrets=(OLD, NEW))}"
        with Client(url, retries=QUICK) as client:
            client.analyse(picture, later=True)
        wait_until(lambda: bool(messages.came))
    return messages.came[0]


@pytest.mark.parametrize("secrets", [OLD, NEW, [OTHER, NEW]])
def test_a_message_of_the_service_is_believed_by_who_holds_a_secret(serve: Serve, secrets: str | list[str]) -> None:
    message = told(serve, png())
    event = verify_webhook(message.body, message.headers, secrets)
    assert (event.type, event.message_id) == ("analysis.answered", message.headers["webhook-id"])
    assert event.data["id"] == event.analysis
    assert event.data["verdict"] in ("generated", "no_ai_found")


def test_a_failure_is_told_with_its_problem(serve: Serve) -> None:
    message = told(serve, jpeg()[:200])
    event = verify_webhook(message.body, message.headers, NEW)
    assert (event.type, event.data["problem"]["code"]) == ("analysis.failed", "broken-image")


def test_is_refused_by_who_holds_another_secret(serve: Serve) -> None:
    message = told(serve, png())
    with pytest.raises(WebhookRefused, match="no signature"):
        verify_webhook(message.body, message.headers, OTHER)


def test_a_message_is_good_within_the_tolerance_and_replayed_later_is_not() -> None:
    assert verify_webhook(BODY, signed(), NEW, now=NOW + 299).analysis == ID
    with pytest.raises(WebhookRefused, match="400 s old"):
        verify_webhook(BODY, signed(), NEW, now=NOW + 400)
    with pytest.raises(WebhookRefused, match="-400 s old"):
        verify_webhook(BODY, signed(), NEW, now=NOW - 400)
    with pytest.raises(WebhookRefused, match="allowed are 10 s"):
        verify_webhook(BODY, signed(), NEW, tolerance_s=10, now=NOW + 11)
    assert verify_webhook(BODY, signed(at=int(time.time())), NEW).analysis == ID


def test_the_time_is_signed_so_that_a_replay_cannot_be_dated_anew() -> None:
    headers = signed() | {"webhook-timestamp": str(NOW + 400)}
    with pytest.raises(WebhookRefused, match="no signature"):
        verify_webhook(BODY, headers, NEW, now=NOW + 400)


TAMPERING: dict[str, Callable[[Mapping[str, str]], tuple[bytes, dict[str, str]]]] = {
    "body": lambda headers: (BODY.replace(b"answered", b"failed"), dict(headers)),
    "white space in the body": lambda headers: (BODY + b" ", dict(headers)),
    "message id": lambda headers: (BODY, {**headers, "webhook-id": ID}),
    "no signature": lambda headers: (BODY, {**headers, "webhook-signature": ""}),
    "signature of another version": lambda headers: (
        BODY, {**headers, "webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
    ),
    "signature that is none": lambda headers: (BODY, {**headers, "webhook-signature": "v1,AAAA v1, ,é"}),
    "time that is none": lambda headers: (BODY, {**headers, "webhook-timestamp": "yesterday"}),
    "time in other digits": lambda headers: (BODY, {**headers, "webhook-timestamp": "١٢٣"}),
    "time without end": lambda headers: (BODY, {**headers, "webhook-timestamp": "9" * 5000}),
    "no headers": lambda headers: (BODY, {}),
}  # fmt: skip


@pytest.mark.parametrize("tampered", TAMPERING.values(), ids=TAMPERING)
def test_tampered_messages_are_refused(tampered: Callable[[Mapping[str, str]], tuple[bytes, dict[str, str]]]) -> None:
    body, headers = tampered(signed())
    with pytest.raises(WebhookRefused):
        verify_webhook(body, headers, NEW, now=NOW)


NO_EVENTS = (
    b"", b"[]", b"{}", b'{"type": "t", "timestamp": "", "data": []}', b'{"type": "t", "timestamp": "", "data": {"id": "../x"}}',
)  # fmt: skip


@pytest.mark.parametrize("body", NO_EVENTS)
def test_what_is_signed_and_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused, match="is signed and"):
        verify_webhook(body, signed(body), NEW, now=NOW)


def test_names_of_headers_are_read_in_any_case() -> None:
    assert verify_webhook(BODY, {name.title(): value for name, value in signed().items()}, NEW, now=NOW).analysis == ID


def test_a_secret_that_is_none_is_a_mistake_of_the_receiver_and_not_shown() -> None:
    with pytest.raises(ValueError, match="whsec_") as wrong:
        verify_webhook(BODY, signed(), "hunter2hunter2")
    assert "hunter2" not in str(wrong.value)


def test_no_secret_believes_nothing() -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(BODY, signed(), [], now=NOW)
