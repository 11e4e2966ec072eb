"""Signing in with a name and a password, sessions, forms that only our own pages send, and what browsers are told."""

from __future__ import annotations

import hashlib
import io
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from starlette.testclient import TestClient

from pellucid.base.logs import configure_logs
from pellucid.console.assets import address, assets
from pellucid.console.sign_in import inside
from pellucid.records.actor import load_roles
from pellucid.store.accounts import create_account, disable_account
from pellucid.store.audit import entries
from pellucid.store.database import writing
from pellucid.store.store import Store
from pellucid.store.tables import sessions, sign_in_failures
from tests.console.conftest import OWN, Start, token_of

PASSWORD = "correct horse battery"
SIGN_IN, SIGN_OUT, PAGE = "/console/sign-in", "/console/sign-out", "/console/queue"
CROSS = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://127.0.0.1:9000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-origin"},
    {},
]


def store_of(client: TestClient) -> Store:
    found: Store = client.app.state.service.store  # type: ignore[attr-defined]
    return found


@pytest.fixture
def client(start: Start) -> TestClient:
    client = start()
    create_account(store_of(client).database, "Anna", "moderator", PASSWORD, load_roles(), "cli:root", datetime.now(UTC))
    return client


def sign_in(client: TestClient, name: str = "Anna", password: str = PASSWORD, to: str = PAGE, **more: str):  # type: ignore[no-untyped-def]
    token = token_of(client.get(SIGN_IN, params={"next": to}).text)
    form = {"csrf": token, "name": name, "password": password, "next": to, **more}
    return client.post(SIGN_IN, data=form, headers=OWN)


def cookies_set(answer) -> dict[str, str]:  # type: ignore[no-untyped-def]
    return {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(client: TestClient) -> None:
    answer = client.get(f"{PAGE}?line=appeal")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?next=%2Fconsole%2Fqueue%3Fline%3Dappeal")
    page = client.get(answer.headers["location"])
    assert 'name="next" value="/console/queue?line=appeal"' in page.text
    done = sign_in(client, to="/console/queue?line=appeal")
    assert (done.status_code, done.headers["location"]) == (303, "/console/queue?line=appeal")
    assert client.get(PAGE).status_code == 200
    assert client.get(SIGN_IN, params={"next": PAGE}).headers["location"] == PAGE


def test_a_form_without_a_session_is_answered_401(client: TestClient) -> None:
    answer = client.post(SIGN_OUT, data={"csrf": "0" * 64}, headers=OWN)
    assert (answer.status_code, "sign-in-failed" in answer.text) == (401, True)


def test_the_cookie_is_kept_from_scripts_and_other_sites(client: TestClient) -> None:
    cookie = cookies_set(sign_in(client))["pellucid"]
    assert re.fullmatch(r"pellucid=[0-9a-f]{64}; HttpOnly; Path=/console; SameSite=lax", cookie)


def test_over_https_no_other_host_can_set_it(start: Start) -> None:
    client = start("https://pellucid.example", api_keys=("0123456789abcdef",), host="0.0.0.0")
    create_account(store_of(client).database, "Anna", "moderator", PASSWORD, load_roles(), "cli:root", datetime.now(UTC))
    token = token_of(client.get(SIGN_IN).text)
    own = {"Origin": "https://pellucid.example", "Sec-Fetch-Site": "same-origin"}
    answer = client.post(SIGN_IN, data={"csrf": token, "name": "Anna", "password": PASSWORD}, headers=own)
    cookie = cookies_set(answer)["__Host-pellucid"]
    assert re.fullmatch(r"__Host-pellucid=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=lax; Secure", cookie)
    assert client.get(PAGE).status_code == 200
    session = client.cookies["__Host-pellucid"]
    client.cookies.clear()
    client.cookies.set("pellucid", session)
    assert client.get(PAGE).status_code == 303


def test_over_plain_http_nobody_signs_in_from_elsewhere(start: Start) -> None:
    client = start("http://pellucid.example", api_keys=("0123456789abcdef",), host="0.0.0.0")
    for answer in (client.get(SIGN_IN), client.get(PAGE), client.post(SIGN_IN, data={}, headers=OWN)):
        assert (answer.status_code, "insecure-sign-in" in answer.text) == (403, True)


def test_behind_a_proxy_the_public_address_counts(start: Start) -> None:
    client = start("http://10.0.0.7:8000", api_keys=("0123456789abcdef",), host="0.0.0.0", public_url="https://pellucid.example")
    answer = client.get(SIGN_IN)
    cookie = cookies_set(answer)["__Host-pellucid-visit"]
    headers = {"Origin": "https://pellucid.example", "Sec-Fetch-Site": "same-origin", "Cookie": cookie.partition(";")[0]}
    form = {"csrf": token_of(answer.text), "name": "Anna", "password": PASSWORD}
    assert client.post(SIGN_IN, data=form, headers=headers).status_code == 401
    assert client.post(SIGN_IN, data=form, headers={**headers, "Origin": "http://pellucid.example"}).status_code == 403


def test_the_database_holds_a_hash_of_the_token(client: TestClient) -> None:
    sign_in(client)
    with store_of(client).database.connect() as connection:
        assert connection.execute(text("SELECT hash FROM sessions")).scalars().all() == [
            hashlib.sha256(client.cookies["pellucid"].encode()).hexdigest()
        ]


def test_a_token_that_was_put_into_the_browser_is_worth_nothing(client: TestClient) -> None:
    """Fixation: neither one that the attacker made up, nor one of a session of his own."""
    planted = "ab" * 32
    client.cookies.set("pellucid", planted, domain="127.0.0.1", path="/console")
    sign_in(client)
    assert client.cookies["pellucid"] != planted
    assert client.get(PAGE).status_code == 200
    before = client.cookies["pellucid"]
    form = {"csrf": token_of(client.get(PAGE).text)}
    assert form
    client.get(SIGN_IN)
    other = TestClient(client.app, base_url="http://127.0.0.1:8000", follow_redirects=False)
    other.cookies.set("pellucid", planted)
    assert other.get(PAGE).status_code == 303
    visit = token_of(other.get(SIGN_IN).text)
    other.cookies.set("pellucid", before)
    done = other.post(SIGN_IN, data={"csrf": visit, "name": "Anna", "password": PASSWORD}, headers=OWN)
    assert done.status_code == 303
    assert cookies_set(done)["pellucid"].partition(";")[0] != f"pellucid={before}"
    assert client.get(PAGE).status_code == 303, "the session before the sign-in goes on"


def test_signing_out_ends_the_session_and_not_only_the_cookie(client: TestClient) -> None:
    sign_in(client)
    session = client.cookies["pellucid"]
    answer = client.post(SIGN_OUT, data={"csrf": token_of(client.get(PAGE).text)}, headers=OWN)
    assert answer.headers["location"] == SIGN_IN
    assert "pellucid" not in client.cookies
    client.cookies.set("pellucid", session)
    assert client.get(PAGE).status_code == 303


@pytest.mark.parametrize(("seen_minutes", "begun_hours", "status"), [(59, 1, 200), (61, 1, 303), (1, 11.9, 200), (1, 12.1, 303)])
def test_a_session_ends_when_idle_and_at_last(client: TestClient, seen_minutes: float, begun_hours: float, status: int) -> None:
    sign_in(client)
    now = datetime.now(UTC)
    with writing(store_of(client).database) as connection:
        moved = {"seen": now - timedelta(minutes=seen_minutes), "begun": now - timedelta(hours=begun_hours)}
        connection.execute(update(sessions).values(moved))
    assert client.get(PAGE).status_code == status


def test_who_is_disabled_is_out_with_the_next_request(client: TestClient) -> None:
    sign_in(client)
    disable_account(store_of(client).database, "Anna", "cli:root", datetime.now(UTC))
    assert client.get(PAGE).status_code == 303


@pytest.mark.parametrize(
    ("name", "password"), [("Anna", "wrong horse battery"), ("<b>Bert</b>", PASSWORD), ("", ""), ("a\0", "\ud800")]
)
def test_a_wrong_sign_in_says_the_same_whatever_is_wrong(client: TestClient, name: str, password: str) -> None:
    answer = sign_in(client, name, password.encode("utf-8", "replace").decode())
    assert answer.status_code == 401
    assert "the name or the password is wrong, or the account is disabled" in answer.text
    assert "<b>" not in answer.text
    assert "pellucid" not in cookies_set(answer)


def test_after_some_failures_one_must_wait(client: TestClient) -> None:
    for _ in range(5):
        assert sign_in(client, password="wrong horse battery").status_code == 401
    with writing(store_of(client).database) as connection:
        # A second may be over by now, on a busy machine.
        later = datetime.now(UTC) + timedelta(minutes=1)
        assert connection.execute(update(sign_in_failures).where(sign_in_failures.c.count == 5).values(until=later)).rowcount == 2
    answer = sign_in(client)
    assert (answer.status_code, "too many sign-ins failed" in answer.text) == (429, True)
    assert int(answer.headers["retry-after"]) >= 1


def test_sign_ins_and_failures_are_in_the_audit_log(client: TestClient) -> None:
    sign_in(client, password="wrong horse battery")
    sign_in(client, name="Bert")
    sign_in(client)
    found = [(entry.actor, entry.action) for entry in entries(store_of(client).database)]
    assert found == [("cli:root", "account.created"), ("console", "account.sign_in_failed"), ("Anna", "account.signed_in")]


@pytest.mark.parametrize("headers", CROSS)
def test_forms_from_elsewhere_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    """Even with the right token: signing in (as somebody else) and signing out."""
    visit = token_of(client.get(SIGN_IN).text)
    answer = client.post(SIGN_IN, data={"csrf": visit, "name": "Anna", "password": PASSWORD}, headers=headers)
    assert (answer.status_code, "bad-csrf" in answer.text) == (403, True)
    sign_in(client)
    answer = client.post(SIGN_OUT, data={"csrf": token_of(client.get(PAGE).text)}, headers=headers)
    assert (answer.status_code, "bad-csrf" in answer.text) == (403, True)
    assert client.get(PAGE).status_code == 200


def test_forms_without_the_sessions_own_token_are_refused(client: TestClient) -> None:
    sign_in(client)
    other = TestClient(client.app, base_url="http://127.0.0.1:8000", follow_redirects=False)
    sign_in(other)
    own, others = token_of(client.get(PAGE).text), token_of(other.get(PAGE).text)
    assert own != others
    for form in ({}, {"csrf": ""}, {"csrf": others}, {"csrf": own[:-1]}, {"csrf": own.upper()}, {"csrf": "ключ"}):
        assert client.post(SIGN_OUT, data=form, headers=OWN).status_code == 403
    files = {"csrf": ("a.txt", own)}
    assert client.post(SIGN_OUT, files=files, headers=OWN).status_code == 400
    assert client.post(SIGN_OUT, headers={**OWN, "X-CSRF-Token": others}).status_code == 403
    assert client.post(SIGN_OUT, headers={**OWN, "X-CSRF-Token": own}).status_code == 303


def test_where_nobody_is_asked_forms_are_checked_all_the_same(start: Start) -> None:
    client = start()
    page = client.get(PAGE)
    assert "Nobody has an account or a key yet" in page.text
    assert "--role moderator --data /" in page.text, "the folder of this service: elsewhere the command would make another one"
    cookie = cookies_set(page)["pellucid-visit"]
    assert "HttpOnly" in cookie
    # The page of an open console has no form of ours to sign out; any POST that is checked will do.
    for headers in CROSS:
        assert client.post(SIGN_OUT, data={"csrf": "0" * 64}, headers=headers).status_code in (403,)
    planted = hashlib.sha256(b"pellucid forms").hexdigest()
    assert client.post(SIGN_OUT, data={"csrf": planted}, headers=OWN).status_code == 403


def test_what_a_visitor_can_compute_from_his_cookie_is_not_the_token_of_open_forms(start: Start) -> None:
    """Another program of the machine may set cookies for 127.0.0.1; the secret of the process it does not know."""
    from pellucid.console.signed_in import FORMS
    from pellucid.records.session import Token

    client = start()
    client.get(PAGE)
    visit = Token(client.cookies["pellucid-visit"])
    secret = client.app.state.office.secret  # type: ignore[attr-defined]
    assert client.post(SIGN_OUT, data={"csrf": visit.derived(FORMS)}, headers=OWN).status_code == 403
    assert client.post(SIGN_OUT, data={"csrf": visit.derived(FORMS, secret)}, headers=OWN).status_code == 303


def test_the_api_does_not_look_at_cookies(client: TestClient) -> None:
    sign_in(client)
    session = client.cookies["pellucid"]
    for headers in ({"Cookie": f"pellucid={session}"}, {"Authorization": f"Bearer {session}"}):
        assert client.get("/v1/analyses", headers=headers).json()["code"] == "unauthorized"


def test_a_key_opens_no_page(start: Start) -> None:
    client = start(api_keys=("0123456789abcdef",))
    assert client.get(PAGE, headers={"Authorization": "Bearer 0123456789abcdef"}).status_code == 303


@pytest.mark.parametrize(
    "wished",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "/console\\..\\", "/console//evil.example", "/v1/keys",
        "/consoleevil",
        "/console.evil.example", "/console@evil.example", "javascript:alert(1)", "/console/../v1",
        "/console/\nSet-Cookie: a=b", "",
        "/console/" + "a" * 1000, " /console", "/console/<script>",
    ],
)  # fmt: skip
def test_nobody_is_led_out_of_the_console(client: TestClient, wished: str) -> None:
    assert inside(wished) == "/console"
    assert sign_in(client, to=wished).headers["location"] == "/console"
    assert client.get(SIGN_IN, params={"next": wished}).headers["location"] == "/console"


@pytest.mark.parametrize("wished", ["/console", "/console/queue", "/console/search?q=a+dog&tag=x%2Fy", "/console?line=appeal"])
def test_pages_of_the_console_are_gone_back_to(wished: str) -> None:
    assert inside(wished) == wished


@pytest.mark.parametrize("path", [PAGE, SIGN_IN, "/console/static/console.css", "/console/nothing", "/console"])
def test_every_answer_tells_browsers_what_they_may(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    if "static" not in path:
        assert headers["cache-control"] == "no-store"


def test_other_answers_have_the_headers_of_all(client: TestClient) -> None:
    headers = client.get("/docs").headers
    assert headers["referrer-policy"] == "no-referrer"
    assert "permissions-policy" not in headers


def test_static_files_are_kept_for_good_by_their_hash(client: TestClient) -> None:
    answer = client.get(address("console.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/css")
    again = client.get("/console/static/console.css", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "public, no-cache")
    for name in ("nothing.css", "..%2Fpages.py", "%2e%2e/pages.py", "../pages.py"):
        assert client.get(f"/console/static/{name}").status_code in (303, 404)
    assert set(assets()) >= {"console.css"}


def test_no_template_holds_a_script_or_style_of_its_own(repository: Path) -> None:
    """The policy would refuse it, in the browser and too late."""
    for path in (repository / "src" / "pellucid" / "console" / "templates").glob("*.html"):
        source = path.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe\b", source), path.name


def test_no_secret_is_in_a_log(client: TestClient) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("debug", stream=stream)
    try:
        token = token_of(client.get(SIGN_IN).text)
        sign_in(client, password="wrong horse battery")
        sign_in(client, name=PASSWORD)
        sign_in(client)
        session = client.cookies["pellucid"]
        csrf = token_of(client.get(PAGE).text)
        client.post(SIGN_OUT, data={"csrf": csrf}, headers=OWN)
        logging.getLogger("uvicorn.access").info('"GET %s" 303', "/console/sign-in/oidc/callback?code=c0de-0ne&state=57a7e-0ne")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    written = stream.getvalue()
    assert "a sign-in failed" in written
    for secret in (PASSWORD, "wrong horse", session, csrf, token, "-0ne"):
        assert secret not in written
