"""Every code of the service has a class for who asks; what is no problem detail is said to be none."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from pellucid.base.errors import PellucidError
from pellucid.client import (
    ApiError,
    Client,
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotFound,
    PictureRefused,
    PictureWithheld,
    RateLimited,
    Retries,
    ServerFault,
    Unavailable,
    UnexpectedAnswer,
    errors,
)
from pellucid.client.errors import KIND_OF_CODE, Told, error_of
from tests.client.conftest import Serve
from tests.client.flaky import Answer, flaky, problem
from tests.pictures import png

ONCE = Retries(attempts=1)


def below(kind: type[PellucidError]) -> Iterator[type[PellucidError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from below(each)


# Only the tree itself: tests may have made leaves of their own.
TREE = [kind for kind in below(PellucidError) if kind.__module__ == "pellucid.base.errors"]


def test_every_code_of_the_service_is_mapped_and_no_other() -> None:
    assert set(KIND_OF_CODE) == {kind.code for kind in TREE}


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.code)
def test_the_class_of_a_code_fits_its_status(kind: type[PellucidError]) -> None:
    """A code that the client did not know would get the class of its status, or one above it: no worse than vague."""
    mapped = KIND_OF_CODE[kind.code]
    by_status = error_of(Told(kind.status, "one-that-is-new", "", ""))
    family = {
        InvalidRequest: (InvalidRequest, PictureRefused, errors.FetchRefused),
        NotAllowed: (NotAllowed, errors.FetchRefused),
    }
    allowed = family.get(type(by_status), (type(by_status),))
    assert issubclass(mapped, allowed) or issubclass(type(by_status), mapped)


def test_every_class_of_the_tree_is_drawn_and_exported() -> None:
    import pellucid.client

    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ClientError)]
    assert kinds
    for kind in kinds:
        assert f" {kind.__name__}" in str(errors.__doc__) or kind is errors.ClientError
        assert kind.__name__ in pellucid.client.__all__


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidRequest), (401, NotAllowed), (403, NotAllowed), (404, NotFound), (409, Conflict), (410, NotFound),
     (418, InvalidRequest), (429, RateLimited), (451, PictureWithheld), (500, ServerFault), (503, Unavailable)],
)  # fmt: skip
def test_a_code_that_is_new_gets_the_class_of_its_status(status: int, kind: type[ApiError]) -> None:
    with flaky(problem(status, "brand-new")) as server, Client(server.url, retries=ONCE) as client, pytest.raises(kind) as told:
        client.models()
    assert (told.value.code, told.value.status, told.value.detail) == ("brand-new", status, "What was.")


def test_says_what_the_service_said(serve: Serve) -> None:
    with Client(f"http://127.0.0.1:{serve()}", retries=ONCE) as client:
        with pytest.raises(PictureRefused, match="not-an-image: the bytes are not a picture") as refused:
            client.analyse(b"no picture")
        assert (refused.value.status, refused.value.instance) == (415, "/v1/analyses")
        with pytest.raises(NotFound) as missing:
            client.get("01KANJ5V7ZQ4W4X1T0QK8P3M2C")
    assert (missing.value.code, missing.value.title) == ("not-found", "There is no such thing here")


def test_says_which_scope_a_key_lacks_and_never_shows_the_key(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(api_keys=('0123456789abcdef',))}"
    with Client(url, "0123456789abcdef") as admin:
        key = admin.admin.make_key("reader", scopes=["read"]).key
    with Client(url, key) as reader:
        with pytest.raises(NotAllowed, match="lacks the scope `analyse`") as refused:
            reader.analyse(png())
        assert key not in f"{refused.value!r} {refused.value} {reader!r} {vars(reader)}"
    with Client(url) as nobody, pytest.raises(NotAllowed) as unknown:
        nobody.models()
    assert (refused.value.code, unknown.value.code) == ("forbidden", "unauthorized")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(502, b"<html>bad gateway</html>", "text/html"), "status 502"),
        (Answer(301, b"", "text/html", {"Location": "https://elsewhere.example/"}), "https://elsewhere.example/"),
        (Answer(404, b"{", "application/problem+json"), "status 404"),
        (Answer(404, b'{"title": "no code"}', "application/problem+json"), "status 404"),
        (Answer(200, b"<html>log in</html>", "text/html"), "Models"),
        (Answer(200, b'{"bundles": []}'), "Models"),
        (Answer(200, b"not gzip", headers={"Content-Encoding": "gzip"}), "DecodingError"),
    ],
)
def test_what_is_not_of_this_api_is_said_to_be_unexpected(answer: Answer, said: str) -> None:
    with flaky(answer) as server, Client(server.url, retries=ONCE) as client, pytest.raises(UnexpectedAnswer, match=said):
        client.models()


def test_a_redirect_is_not_followed_for_the_key_is_for_one_address_only() -> None:
    with flaky() as other:
        moved = Answer(307, b"", "text/plain", {"Location": f"{other.url}/v1/models"})
        with flaky(moved) as server, Client(server.url, "secret-key", retries=ONCE) as client, pytest.raises(UnexpectedAnswer):
            client.models()
        assert other.asked == []
