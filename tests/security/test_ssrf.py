"""More ways to have the service speak to a machine of ours: how addresses can be written, redirects to other schemes, rebinding.

The rest stands in tests/serve/test_fetch.py, test_fetch_route.py and tests/base/test_addresses.py.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.addresses import is_public, target_of
from pellucid.base.errors import AddressRefused, BodyTooLarge, FetchFailed
from pellucid.serve.fetch import NOT_PUBLIC, CheckedBackend
from tests.serve.test_fetch import always, fetched, moved, ok, run, running

PORTS = (80, 443)
PRIVATE = ipaddress.IPv4Address("127.0.0.1")


def written(address: ipaddress.IPv4Address) -> list[str]:
    """One IPv4 address in every form that some resolver takes."""
    a, b, c, d = address.packed
    number = int(address)
    hexed = f"{a:02x}{b:02x}:{c:02x}{d:02x}"
    return [
        str(number), hex(number), oct(number).replace("0o", "0"), f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{b}.{c * 256 + d}", f"{a}.{b * 65536 + c * 256 + d}", f"{a:#x}.{number & 0xFFFFFF}", f"00{a:o}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.", f"{a:03d}.{b:03d}.{c:03d}.{d:03d}", f"[::ffff:{a}.{b}.{c}.{d}]", f"[::ffff:{hexed}]",
        f"[::{a}.{b}.{c}.{d}]", f"[64:ff9b::{a}.{b}.{c}.{d}]", f"[2002:{hexed}::1]", f"[0:0:0:0:0:ffff:{a}.{b}.{c}.{d}]",
        f"[64:ff9b:1::{a}.{b}.{c}.{d}]", f"[fe80::{a:x}%25lo]", f"[::1%25{a}]", f"{a}%2e{b}.{c}.{d}", f"{a}。{b}。{c}。{d}",
    ]  # fmt: skip


async def by_itself(host: str, port: int) -> Sequence[str]:
    """A resolver that takes what the system's does for numbers."""
    return [str(address[0]) for *_, address in await asyncio.get_running_loop().getaddrinfo(host, port)]


def reached(url: str) -> bool:
    """Would anything be connected to? Nothing is: an address that is let through is only resolved."""
    try:
        target = target_of(url, PORTS)
        asyncio.run(CheckedBackend(by_itself, ())._allowed(target.host, target.port))
    except AddressRefused:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.0.1", "0.0.0.0"])
def test_no_way_of_writing_a_private_address_reaches_it(address: str) -> None:
    assert not [form for form in written(ipaddress.IPv4Address(address)) if reached(f"http://{form}/")]


@given(st.ip_addresses(v=4).filter(lambda address: not is_public(address)))
def test_nor_that_of_any_other(address: ipaddress.IPv4Address) -> None:
    assert not [form for form in written(address) if reached(f"http://{form}/")]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/", "http://example.com:80@127.0.0.1:80/",
        "http://example.com%40127.0.0.1/", "http://@127.0.0.1/", "http://:@127.0.0.1/", "http://a:b@c@127.0.0.1/",
        "http://127.0.0.1#@example.com/", "http://127.0.0.1?@example.com/", "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1;@example.com/", "http:///127.0.0.1/", "http:127.0.0.1/", "http:\\\\127.0.0.1/", "http://[127.0.0.1]/",
        "http://127.0.0.1:80:80/", "http://127.0.0.1: 80/", "http://127.0.0.1:0080/", "HTTP://127.0.0.1/", "//127.0.0.1/",
        "http://[::]/", "http://[::1]/", "http://[0000::0001]/", "http://localhost/", "http://LOCALHOST./", "http://ip6-localhost/",
    ],
)  # fmt: skip
def test_no_user_and_no_odd_sign_leads_past_the_check(url: str) -> None:
    assert not reached(url)


@pytest.mark.parametrize(
    "where",
    [
        "file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "gopher://127.0.0.1:70/_x", "dict://127.0.0.1:11211/",
        "data:image/png;base64,AAAA", "javascript:alert(1)", "jar:http://127.0.0.1!/", "ldap://127.0.0.1/", "unix:///run/x.sock",
        "http+unix://%2frun%2fx.sock/", "//169.254.169.254/", "///etc/passwd", "http://user@127.0.0.1/", "\\\\127.0.0.1\\x",
        "http://127.0.0.1\r\nX: y/", "http://0/", "http://0x7f.1/", "http://[::ffff:7f00:1]/", "https://169.254.169.254/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [301, 303, 307, 308])
def test_a_redirect_leads_to_no_other_scheme_and_no_private_machine(where: str, status: int) -> None:
    async def as_written(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "pictures.example" else await by_itself(host, port)

    with pytest.raises((AddressRefused, FetchFailed)) as caught:
        run("/", {"/": moved(where, status)}, as_written, fetch_networks="127.0.0.1/32" if "127" not in where else ())
    assert "passwd" not in caught.value.detail


@pytest.mark.parametrize("answers", [["127.0.0.1", "169.254.169.254"], ["127.0.0.1", "::1"], ["127.0.0.1", "not an address"]])
def test_one_bad_address_among_good_ones_refuses_the_name(answers: list[str]) -> None:
    with pytest.raises(AddressRefused) as caught:
        run("/", {"/": ok(b"x")}, always(*answers))
    assert caught.value.detail == NOT_PUBLIC


def test_a_name_that_turns_private_between_check_and_use_gains_nothing() -> None:
    """The resolver is asked once; were it asked again to connect, it would lead to the second server."""

    async def scenario() -> tuple[bytes, list[str], int]:
        asked = 0

        async def turning(host: str, port: int) -> Sequence[str]:
            nonlocal asked
            asked += 1
            return ["127.0.0.1"] if asked == 1 else ["127.0.0.2"]

        async with running({"/a": ok(b"first")}) as site, running({"/a": ok(b"secret")}, "127.0.0.2", site.port) as secret:
            body, _ = await fetched(site, "/a", turning)
            return body, secret.asked, asked

    body, secret_asked, asked = asyncio.run(scenario())
    assert (body, secret_asked, asked) == (b"first", [], 1)


def test_an_odd_length_of_a_hostile_server_is_its_fault() -> None:
    for length in (b"\xb2", b"-1", b"9" * 5000, b"1, 2"):
        with pytest.raises((FetchFailed, BodyTooLarge)):
            run("/", {"/": b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nx"})
