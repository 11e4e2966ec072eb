"""Signing in at an OpenID provider: a real one, small, on loopback, that can be made to say anything."""

from __future__ import annotations

import base64
import hmac
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from pellucid.base.errors import ConfigError
from pellucid.base.logs import configure_logs
from pellucid.base.settings import read_settings
from pellucid.console.provider import Provider
from pellucid.store.audit import entries
from tests.console.conftest import Start, token_of
from tests.console.openid import CLIENT, SECRET, OpenId, openid

BEGIN, CALLBACK, PAGE = "/console/sign-in/oidc", "/console/sign-in/oidc/callback", "/console/queue"


@pytest.fixture
def provider() -> Iterator[OpenId]:
    with openid() as provider:
        yield provider


@pytest.fixture
def client(start: Start, provider: OpenId) -> TestClient:
    return start(**provider.settings())


def go(client: TestClient, provider: OpenId, **changed: str) -> Any:
    """All the way, the answer of the provider `changed`."""
    begun = client.get(BEGIN, params={"next": "/console/search?q=dog"})
    assert begun.status_code == 303, begun.text
    answer = {**provider.let_in(begun.headers["location"]), **changed}
    return client.get(CALLBACK, params={name: value for name, value in answer.items() if value})


def refused(answer: Any, client: TestClient) -> str:
    assert answer.status_code == 401, answer.text
    assert client.get(PAGE).status_code == 303
    return str(answer.text)


def test_who_the_provider_vouches_for_is_signed_in_with_the_scopes_of_his_role(client: TestClient, provider: OpenId) -> None:
    answer = go(client, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/search?q=dog")
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "anna" in page.text
    assert "pellucid-oidc" not in client.cookies
    found = [(entry.actor, entry.action) for entry in entries(client.app.state.service.store.database)]  # type: ignore[attr-defined]
    assert found == [("console", "account.created"), ("anna", "account.signed_in")]


def test_the_provider_is_asked_as_the_standards_say(client: TestClient, provider: OpenId) -> None:
    begun = client.get(BEGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert asked["redirect_uri"] == "http://127.0.0.1:8000/console/sign-in/oidc/callback"
    assert (asked["response_type"], asked["code_challenge_method"], asked["tenant"]) == ("code", "S256", "1")
    assert asked["scope"].split()[0] == "openid"
    again = client.get(BEGIN)
    for drawn in ("state", "nonce", "code_challenge"):
        assert asked[drawn] not in again.headers["location"]
    assert "HttpOnly" in begun.headers["set-cookie"]
    assert "SameSite=lax" in begun.headers["set-cookie"]
    go(client, provider)
    # RFC 6749, 2.3.1: name and secret are encoded before they are joined.
    assert provider.headers[0]["Authorization"] == "Basic Y29uc29sZSU0MHNpdGU6YSUyMHNlY3JldCUyRndpdGglM0ElMjBzaWducw=="
    assert "client_secret" not in provider.forms[0]


def test_the_secret_is_sent_in_the_form_or_not_at_all_where_the_provider_wants_that(start: Start, provider: OpenId) -> None:
    provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    client = start(**provider.settings())
    assert go(client, provider).status_code == 303
    public = start(**provider.settings(oidc_client_secret=None))
    assert go(public, provider).status_code == 303
    assert [form.get("client_secret") for form in provider.forms] == [SECRET, None]
    assert not any("Authorization" in headers for headers in provider.headers)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["another"]},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"exp": "never"},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": 7},
    ],
)
def test_an_id_token_that_says_anything_else_is_refused(client: TestClient, provider: OpenId, claims: dict[str, Any]) -> None:
    provider.claims = claims
    refused(go(client, provider), client)


def test_several_audiences_name_the_one_it_was_made_for(client: TestClient, provider: OpenId) -> None:
    provider.claims = {"aud": [CLIENT, "another"], "azp": CLIENT}
    assert go(client, provider).status_code == 303


def written(header: dict[str, str], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """By hand: a good library does not help with what is to be refused."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    mark = base64.urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")
    return b".".join([*parts, mark]).decode()


def tokens(provider: OpenId, nonce: str) -> dict[str, str]:
    """ID tokens that say the right things and are signed by nobody, by somebody, or with what everybody knows."""
    good = provider.signed(nonce)
    claims = jwt.decode(good, provider.key, ["RS256"]).claims
    head, body, mark = good.split(".")
    symmetric = {"alg": "HS256", "kid": "k1"}
    return {
        "alg none": written({"alg": "none", "kid": "k1"}, claims, lambda _: b""),
        "alg none, with a signature": written({"alg": "none", "kid": "k1"}, claims, lambda _: b"a signature"),
        "the published key as the secret": written(symmetric, claims, _hmac(provider.key.as_pem(private=False))),
        "the client's secret": written(symmetric, claims, _hmac(SECRET.encode())),
        "another key": jwt.encode({"alg": "RS256", "kid": "k1"}, claims, RSAKey.generate_key(2048), ["RS256"]),
        "a key of another name": jwt.encode({"alg": "RS256", "kid": "k2"}, claims, RSAKey.generate_key(2048), ["RS256"]),
        "a key that it brings along": jwt.encode(
            {"alg": "RS256", "jwk": (own := RSAKey.generate_key(2048)).as_dict(private=False)}, claims, own, ["RS256"]
        ),
        "no signature": f"{head}.{body}.",
        "another body": f"{head}.{body[:-4]}AAAA.{mark}",
        "no token": "a.b.c",
        "nothing": "x",
        "too long": "x" * 100_000,
    }


def _hmac(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda text: hmac.digest(secret, text, "sha256")


KINDS = (
    "alg none", "alg none, with a signature", "the published key as the secret", "the client's secret", "another key",
    "a key of another name", "a key that it brings along", "no signature", "another body", "no token", "nothing", "too long",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_token_that_the_provider_did_not_sign_is_refused(client: TestClient, provider: OpenId, kind: str) -> None:
    begun = client.get(BEGIN)
    answer = provider.let_in(begun.headers["location"])
    provider.token = tokens(provider, provider.codes[answer["code"]]["nonce"])[kind]
    refused(client.get(CALLBACK, params=answer), client)


def test_keys_may_be_exchanged_and_are_read_again(client: TestClient, provider: OpenId) -> None:
    assert go(client, provider).status_code == 303
    read = provider.asked.count("/keys")
    office = client.app.state.office  # type: ignore[attr-defined]
    provider.key, provider.header = RSAKey.generate_key(2048, {"kid": "k2"}), {"alg": "PS256", "kid": "k2"}
    assert go(client, provider).status_code == 401, "asked a moment ago"
    office.provider._documents._keys_read -= 61
    assert go(client, provider).status_code == 303
    assert provider.asked.count("/keys") == read + 1


@pytest.mark.parametrize(
    "changed",
    [{"state": "another"}, {"state": ""}, {"code": "another"}, {"code": ""}, {"iss": "https://evil.example"}, {"iss": ""}],
)
def test_an_answer_that_does_not_fit_is_refused(client: TestClient, provider: OpenId, changed: dict[str, str]) -> None:
    refused(go(client, provider, **changed), client)


def test_an_answer_is_good_once_and_in_one_browser(client: TestClient, provider: OpenId) -> None:
    """Nobody can be signed in as the attacker, by a link to an answer that the attacker has got."""
    begun = client.get(BEGIN)
    answer = provider.let_in(begun.headers["location"])
    other = TestClient(client.app, base_url="http://127.0.0.1:8000", follow_redirects=False)
    refused(other.get(CALLBACK, params=answer), other)
    other.get(BEGIN)
    refused(other.get(CALLBACK, params=answer), other)
    assert client.get(CALLBACK, params=answer).status_code == 303
    assert client.get(CALLBACK, params=answer).status_code == 401


def test_a_code_that_was_got_by_another_browser_does_not_fit(client: TestClient, provider: OpenId) -> None:
    """PKCE: a code that was stolen on its way is put into an answer to a sign-in of the thief's own."""
    stolen = provider.let_in(client.get(BEGIN).headers["location"])["code"]
    thief = TestClient(client.app, base_url="http://127.0.0.1:8000", follow_redirects=False)
    refused(go(thief, provider, code=stolen), thief)


def test_the_provider_may_say_no(client: TestClient, provider: OpenId) -> None:
    page = refused(go(client, provider, code="", error="access_denied<script>"), client)
    assert "<script>" not in page
    assert token_of(page)


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": []},
        {"groups": None},
        {"groups": ["moderator", "administrator"]},
        {"groups": {"admins": True}},
        {"groups": [["admins"], 7]},
        {"preferred_username": None},
        {"preferred_username": "local"},
        {"preferred_username": "cli:root"},
        {"preferred_username": "<b>anna</b>"},
    ],
)
def test_who_is_nobody_here_is_not_let_in(client: TestClient, provider: OpenId, claims: dict[str, Any]) -> None:
    """Groups that no setting maps allow nothing, though they be called as a role is."""
    provider.claims = claims
    refused(go(client, provider), client)


def test_scopes_may_come_as_one_text_and_under_another_claim(start: Start, provider: OpenId) -> None:
    client = start(**provider.settings(oidc_scopes_claim="roles", oidc_name_claim="email", oidc_roles="see=moderator"))
    provider.claims = {"roles": "walk see", "email": "anna@id.example", "email_verified": True}
    assert go(client, provider).status_code == 303
    client.cookies.clear()
    provider.claims = {"roles": "see", "email": "bert@id.example", "email_verified": False, "sub": "2"}
    refused(go(client, provider), client)


def test_what_the_provider_takes_away_is_gone_with_the_next_sign_in(client: TestClient, provider: OpenId) -> None:
    provider.claims = {"groups": ["admins"]}
    go(client, provider)
    assert client.get(PAGE).status_code == 200
    provider.claims = {"groups": ["trust and safety"]}
    go(client, provider)
    accounts = client.app.state.service.store.database  # type: ignore[attr-defined]
    assert [entry.action for entry in entries(accounts)][-2:] == ["account.scopes_changed", "account.signed_in"]


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
    ],
)
def test_a_provider_that_says_what_it_may_not_is_not_asked(
    client: TestClient, provider: OpenId, discovery: dict[str, Any]
) -> None:
    provider.discovery = discovery
    answer = client.get(BEGIN)
    assert (answer.status_code, "provider-failed" in answer.text) == (502, True)


def test_a_provider_that_is_away_is_said(client: TestClient, provider: OpenId, start: Start) -> None:
    client = start(**{**provider.settings(), "oidc_issuer": "http://127.0.0.1:9"})
    assert client.get(BEGIN).status_code == 502
    client = start(**provider.settings())
    begun = client.get(BEGIN)
    provider.token_status = 500
    assert client.get(CALLBACK, params=provider.let_in(begun.headers["location"])).status_code == 502


def test_without_a_provider_there_is_no_way_to_it(start: Start) -> None:
    client = start(api_keys=("0123456789abcdef",))
    assert client.get(BEGIN).status_code == client.get(CALLBACK).status_code == 404
    assert "/console/sign-in/oidc" not in client.get("/console/sign-in").text


def test_with_a_provider_the_sign_in_shows_it_and_the_service_is_not_open(client: TestClient) -> None:
    assert (
        '<a class="button" href="/console/sign-in/oidc?next=%2Fconsole%2Fqueue">'
        in client.get("/console/sign-in?next=/console/queue").text
    )
    assert client.get("/v1/analyses").status_code == 401


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"oidc_client_id": None}, "PELLUCID_OIDC_CLIENT_ID"),
        ({"public_url": None}, "PELLUCID_PUBLIC_URL"),
        ({"oidc_roles": None}, "PELLUCID_OIDC_ROLES"),
        ({"oidc_roles": "a=king"}, "king"),
        ({"oidc_roles": "moderator"}, "VALUE=ROLE"),
        ({"oidc_issuer": "id.example"}, "PELLUCID_OIDC_ISSUER"),
        ({"oidc_issuer": "http://id.example"}, "PELLUCID_OIDC_ISSUER"),
        ({"public_url": "http://pellucid.example"}, "PELLUCID_PUBLIC_URL"),
        ({"public_url": "https://pellucid.example/path"}, "PELLUCID_PUBLIC_URL"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(settings: dict[str, Any], named: str) -> None:
    good = {
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "c",
        "public_url": "https://p.example",
        "oidc_roles": "a=moderator",
    }
    assert Provider.of(read_settings(**good)) is not None
    with pytest.raises(ConfigError, match=named):
        Provider.of(read_settings(**(good | settings)))


def test_no_secret_is_in_a_log(client: TestClient, provider: OpenId) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("debug", stream=stream)
    try:
        go(client, provider)
        provider.claims = {"nonce": "another"}
        go(client, provider)
        provider.token = "x.y.z"
        go(client, provider, code="gue55ed")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    written = stream.getvalue()
    assert "was refused: InvalidClaimError" in written
    for secret in (SECRET, "a%20secret", client.cookies.get("pellucid"), *(form["code_verifier"] for form in provider.forms)):
        assert secret not in written
    assert SECRET not in repr(client.app.state.service.settings)  # type: ignore[attr-defined]
