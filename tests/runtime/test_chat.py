"""Asking a model elsewhere: what goes over the wire, and that whatever comes back is a reply or one error of ours."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import ConfigError, DescriberError
from pellucid.base.settings import read_settings
from pellucid.runtime.chat import ChatEndpoint
from pellucid.runtime.reply import Reply, Token
from tests.chat import Chat, completion, serving


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    with serving(Chat()) as chat:
        yield chat


def ask(chat: Chat, **more: object) -> Reply:
    return ChatEndpoint(chat.url, "tiny", **more).ask("What is it?", b"\xff\xd8 jpeg", 32)  # type: ignore[arg-type]


def test_sends_picture_question_and_key_and_reads_text_with_probabilities(chat: Chat) -> None:
    chat.answer, chat.status = "né", 200
    assert ask(chat, key="secret") == Reply("né", (Token(b"n", -0.1), Token("é".encode(), -0.1)))
    request = chat.asked[-1]
    picture, question = request["messages"][0]["content"]
    assert base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/jpeg;base64,")) == b"\xff\xd8 jpeg"
    assert question == {"type": "text", "text": "What is it?"}
    assert (request["model"], request["max_tokens"], request["temperature"], request["logprobs"]) == ("tiny", 32, 0, True)
    assert chat.headers[-1]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("answer", "status", "complaint"),
    [
        (b"", 200, "no chat completion"),
        (b"<html>", 200, "no chat completion"),
        (b'{"choices": []}', 200, "choices: List should have at least 1"),
        (b'{"choices": [{"message": {"content": null}}]}', 200, "content"),
        (b"{}", 404, "status 404"),
        (b"{}", 301, "status 301"),
        (completion("cut", finish="length"), 200, "cut at 32 tokens"),
        (b" " * 5000, 200, "longer than 4096"),
    ],
)
def test_what_is_no_answer_is_our_error(chat: Chat, answer: bytes, status: int, complaint: str) -> None:
    chat.answer, chat.status = answer, status
    with pytest.raises(DescriberError, match=complaint):
        ask(chat, max_bytes=4096)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_our_own_error(chat: Chat, answer: bytes) -> None:
    chat.answer, chat.status = answer, 200
    with contextlib.suppress(DescriberError):
        ask(chat)


def test_probabilities_that_are_none_leave_the_text(chat: Chat) -> None:
    whole = json.loads(completion("x"))
    whole["choices"][0]["logprobs"]["content"][0]["bytes"] = [900]
    chat.answer, chat.status = json.dumps(whole).encode(), 200
    assert ask(chat) == Reply("x", ())


def test_a_server_that_is_not_there_is_our_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DescriberError, match="cannot be reached"):
        ChatEndpoint(f"http://127.0.0.1:{port}/v1", "tiny").ask("?", b"", 1)


def test_a_server_that_answers_too_late_is_our_error() -> None:
    with serving(Chat(seconds=1.0)) as slow, pytest.raises(DescriberError, match=r"longer than the 0\.2 s"):
        ask(slow, timeout_s=0.2)


def test_a_server_that_drips_is_given_up_in_the_time_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while not done.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(DescriberError, match="longer than"):
            ChatEndpoint(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", "tiny", timeout_s=0.5).ask("?", b"", 1)
        assert time.monotonic() - begun < 5
        done.set()
        thread.join()


@pytest.mark.parametrize("url", ["ftp://host/v1", "host:8000", "http://", "http://host/v1?key=1"])
def test_an_address_of_another_kind_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="PELLUCID_DESCRIBER_URL"):
        read_settings(describer_url=url)


def test_without_an_address_there_is_nothing_to_ask() -> None:
    with pytest.raises(ConfigError, match="PELLUCID_DESCRIBER_URL is not set"):
        ChatEndpoint.of(read_settings())


def test_a_part_of_a_reply_is_as_probable_as_the_tokens_that_touch_it() -> None:
    reply = Reply(
        "ab é d", (Token(b"a", -1.0), Token(b"b \xc3", -2.0), Token(b"\xa9", -3.0), Token(b" d", -4.0), Token(b"", -9.0))
    )
    assert reply.probability(0, 1) == pytest.approx(math.exp(-1))
    assert reply.probability(3, 4) == pytest.approx(math.exp(-2.5))
    assert reply.probability(5, 6) == pytest.approx(math.exp(-4))
    assert reply.probability(6, 6) is None
    assert Reply("other", reply.tokens).probability(0, 1) is None
