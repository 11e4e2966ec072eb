"""Events reach the site signed, again and again until they do, and say nothing that a log should not hold."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import random
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from pellucid.base.errors import ConfigError
from pellucid.base.settings import Settings, read_settings
from pellucid.base.webhook_signing import secret_key, signed_headers
from pellucid.serve.webhook_sending import Receiver, wait_s
from tests.pictures import jpeg, png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser
from tests.serve.receiver import Messages, receiving

LATER = {"Prefer": "respond-async"}
KEYS = (bytes(range(32)), bytes(range(1, 33)))
SECRETS = tuple(f"whsec_{base64.b64encode(key).decode()}" for key in KEYS)


@pytest.fixture
def messages() -> Iterator[Messages]:
    with receiving() as messages:
        yield messages


@pytest.fixture
def told(make_app: MakeApp, messages: Messages) -> Iterator[TestClient]:
    """A service that tells `messages`."""
    with TestClient(make_app(webhook_url=f"{messages.url}?token=hush", webhook_secrets=SECRETS)) as client:
        yield client


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_was_answered_later_is_told_signed_with_every_secret(told: TestClient, messages: Messages) -> None:
    accepted = told.post("/v1/analyses", content=png(), headers=LATER).json()
    wait_until(lambda: len(messages.came) == 1)
    message = messages.came[0]
    content = json.loads(message.body)
    assert (content["type"], content["data"]["id"]) == ("analysis.answered", accepted["id"])
    assert content["data"]["location"] == accepted["location"]
    assert abs(time.time() - int(message.headers["webhook-timestamp"])) < 60
    signed = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in KEYS]
    assert message.headers["webhook-signature"] == " ".join(f"v1,{one}" for one in expected)


def test_signs_as_the_example_of_the_standard() -> None:
    """The example that the reference libraries of Standard Webhooks test themselves with."""
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_who_waited_for_the_answer_is_not_told_again(told: TestClient, messages: Messages) -> None:
    told.post("/v1/analyses", content=png())
    told.post("/v1/analyses", content=jpeg()[:200])
    told.post("/v1/analyses", content=png(seed=1), headers=LATER)
    wait_until(lambda: bool(messages.came))
    time.sleep(0.3)
    assert len(messages.came) == 1


def test_who_was_sent_away_while_the_work_went_on_is_told(make_app: MakeApp, messages: Messages) -> None:
    settings = {"webhook_url": messages.url, "webhook_secrets": SECRETS, "analysis_timeout_s": 0.1}
    with TestClient(make_app(FakeAnalyser(seconds=0.6), **settings)) as client:
        assert client.post("/v1/analyses", content=png()).json()["code"] == "analysis-too-slow"
        wait_until(lambda: len(messages.came) == 1)


def test_a_failure_is_told_with_its_problem(told: TestClient, messages: Messages) -> None:
    told.post("/v1/analyses", content=jpeg()[:200], headers=LATER)
    wait_until(lambda: len(messages.came) == 1)
    content = json.loads(messages.came[0].body)
    assert (content["type"], content["data"]["problem"]["code"]) == ("analysis.failed", "broken-image")


def test_a_dead_one_is_listed_and_sent_again_with_the_same_id(make_app: MakeApp, messages: Messages) -> None:
    messages.status = 500
    app = make_app(webhook_url=messages.url, webhook_secrets=SECRETS, webhook_attempts=1)
    with TestClient(app) as client:
        client.post("/v1/analyses", content=png(), headers=LATER)

        def listed(state: str) -> list[dict[str, object]]:
            return client.get("/v1/webhooks/deliveries", params={"state": state}).json()["items"]  # type: ignore[no-any-return]

        wait_until(lambda: len(listed("dead")) == 1)
        (dead,) = listed("dead")
        assert (dead["status"], dead["attempts"]) == (500, 1)
        assert dead["problem"] == "the receiver answered with status 500"
        messages.status = 204
        assert client.post(f"/v1/webhooks/deliveries/{dead['id']}/replay").status_code == 204
        wait_until(lambda: len(listed("delivered")) == 1)
    first, second = messages.came
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == dead["id"]
    assert first.body == second.body


def test_what_nobody_wants_any_more_is_dead_at_once(make_app: MakeApp, messages: Messages) -> None:
    messages.status = 410
    with TestClient(make_app(webhook_url=messages.url, webhook_secrets=SECRETS)) as client:
        client.post("/v1/analyses", content=png(), headers=LATER)
        wait_until(lambda: client.get("/v1/webhooks/deliveries?state=dead").json()["items"] != [])


def test_redirects_are_not_followed(make_app: MakeApp, messages: Messages) -> None:
    messages.status = 302
    with TestClient(make_app(webhook_url=messages.url, webhook_secrets=SECRETS)) as client:
        client.post("/v1/analyses", content=png(), headers=LATER)
        wait_until(lambda: any(item["status"] == 302 for item in client.get("/v1/webhooks/deliveries").json()["items"]))
    assert {message.path for message in messages.came} == {"/hook"}


def test_logs_hold_neither_address_nor_secret(make_app: MakeApp, messages: Messages, caplog: pytest.LogCaptureFixture) -> None:
    messages.status = 500
    caplog.set_level(logging.DEBUG)
    settings = {"webhook_url": f"{messages.url}?token=hush", "webhook_secrets": SECRETS, "webhook_attempts": 1}
    with TestClient(make_app(**settings)) as client:
        client.post("/v1/analyses", content=png(), headers=LATER)
        wait_until(lambda: "status 500" in caplog.text)
        listed = client.get("/v1/webhooks/deliveries").text
    for text in (caplog.text, listed, repr(Settings(**settings)), repr(Receiver.of(Settings(**settings)))):
        assert "hush" not in text
        assert not [secret for secret in SECRETS if secret.removeprefix("whsec_") in text]


def test_waits_longer_each_time_and_never_at_the_same_moment() -> None:
    luck = random.Random(0)
    waits = [[wait_s(attempts, luck) for _ in range(200)] for attempts in range(1, 12)]
    middle = [5 * 4.0**exponent for exponent in range(7)]
    assert all(0.5 * m <= wait <= 1.5 * m for m, each in zip(middle, waits, strict=False) for wait in each)
    assert max(wait for each in waits for wait in each) <= 1.5 * 6 * 3600
    assert len({wait for each in waits for wait in each}) == 11 * 200


@pytest.mark.parametrize("secret", ["hunter2hunter2", "whsec_", "whsec_abc", f"whsec_{base64.b64encode(b'short').decode()}"])
def test_refuses_secrets_that_are_none_and_does_not_repeat_them(secret: str) -> None:
    with pytest.raises(ConfigError, match="PELLUCID_WEBHOOK_SECRETS") as refused:
        Receiver.of(Settings(webhook_url="https://example.com/hook", webhook_secrets=(secret,)))
    assert secret == "whsec_" or secret not in str(refused.value)


def test_an_address_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="PELLUCID_WEBHOOK_SECRETS is not"):
        Receiver.of(Settings(webhook_url="https://example.com/hook"))


@pytest.mark.parametrize("url", ["ftp://example.com", "https://user:word@example.com/", "example.com/hook", "https:///hook"])
def test_refuses_addresses_that_cannot_be_sent_to(url: str) -> None:
    with pytest.raises(ConfigError, match="PELLUCID_WEBHOOK_URL") as refused:
        read_settings(webhook_url=url)
    assert url not in str(refused.value)


def test_a_site_without_an_address_is_told_nothing(make_app: MakeApp) -> None:
    with TestClient(make_app(FakeAnalyser())) as client:
        location = client.post("/v1/analyses", content=png(), headers=LATER).headers["location"]
        wait_until(lambda: client.get(location).status_code == 200)
        assert client.get("/v1/webhooks/deliveries").json() == {"items": [], "next": None}
