"""Nothing but public addresses, however they are written."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.addresses import Target, is_allowed, is_public, target_of
from pellucid.base.errors import AddressRefused

PORTS = (80, 443)
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", REFUSED)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_reserved
    assert not (is_public(address) and special)


def test_a_site_may_allow_networks_of_its_own() -> None:
    own = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
    assert is_allowed(ipaddress.ip_address("10.1.2.3"), own)
    assert not is_allowed(ipaddress.ip_address("10.2.2.3"), own)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a", "file:///etc/passwd", "gopher://example.com", "//example.com/a", "example.com/a", "http://",
        "http://user@example.com/", "http://user:word@example.com/", "http://:80/", "http://example.com:22/",
        "http://example.com:99999/", "http://example.com:0/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/",
        "http://0177.0.0.1/", "http://127.1/", "http://127.0.0.1.1/", "http://1.2.3.4.0x5/", "http://0x/",
        "http://example.com\\@127.0.0.1/", "http://exa mple.com/",
        "http://example.com/\r\nHost: other", "http://ex\tample.com/", "http://\u2460.com/", "http://b\u00fccher.example/",
        "http://[fe80::1%25eth0]/", "http://[::1", "http://a..b/", "http://-a.com/", "http://" + "a" * 64 + ".com/",
        "http://example.com/" + "a" * 2048, "",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url, PORTS)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Example.COM", Target("http", "example.com", 80, "/")),
        ("https://example.com./a%20b?q=1#part", Target("https", "example.com", 443, "/a%20b?q=1")),
        ("http://example.com:443/x", Target("http", "example.com", 443, "/x")),
        ("https://93.184.216.34/x.jpg", Target("https", "93.184.216.34", 443, "/x.jpg")),
        ("http://[2606:4700::1111]/x", Target("http", "2606:4700::1111", 80, "/x")),
        ("http://xn--bcher-kva.example/", Target("http", "xn--bcher-kva.example", 80, "/")),
    ],
)
def test_plain_addresses_are_taken_apart(url: str, expected: Target) -> None:
    assert target_of(url, PORTS) == expected


def test_redirects_may_be_relative() -> None:
    assert target_of("../b?c=1", PORTS, "https://example.com/x/a").path == "/b?c=1"
    assert target_of("//other.example/b", PORTS, "https://example.com/x/a") == Target("https", "other.example", 443, "/b")


def test_what_is_shown_holds_no_query() -> None:
    assert target_of("https://example.com/a.jpg?token=secret", PORTS).shown == "https://example.com/a.jpg"


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: "http://" + text))
def test_whatever_the_text_nothing_else_is_raised(url: str) -> None:
    with contextlib.suppress(AddressRefused):
        target_of(url, PORTS)
