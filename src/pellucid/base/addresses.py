"""Which addresses may be fetched from: only what everybody on the internet can reach, and nothing that is ours.

An allowlist where there is one (IPv6 hands out global addresses from 2000::/3 only), the registries' special purposes where not
(IANA, RFC 6890). Addresses that carry another one inside (IPv4-mapped, NAT64, 6to4, Teredo) are refused whatever they carry.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from pellucid.base.errors import AddressRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2048
# Printable ASCII: what URLs are made of (RFC 3986), and no place to hide a line break or another host behind a backslash.
_WRITTEN = re.compile(r"[!-\[\]-~]+")
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

_REFUSED_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments; a metadata service of one cloud is at 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # a cloud's own services behind a public address
    )
)
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True)
class Target:
    """A URL taken apart; `path` is with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def site(self) -> str:
        """As in the header `Host`: IPv6 in brackets, the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.site}{self.path}"

    @property
    def shown(self) -> str:
        """Without the query, which may be a secret."""
        return self.url.partition("?")[0]


def target_of(url: str, ports: Sequence[int], base: str | None = None) -> Target:
    """`url`, relative to `base` where that is given. Raises `AddressRefused` for all that is no plain http(s) address."""
    if len(url) > LONGEST_URL or not _WRITTEN.fullmatch(url):
        raise AddressRefused(f"an address is 1 to {LONGEST_URL} printable ASCII characters; write others as %XX, names as xn--…")
    try:
        parts = urlsplit(urljoin(base, url) if base else url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise AddressRefused(f"the address cannot be read: {error}") from error
    if parts.scheme not in PORTS:
        raise AddressRefused(f"the scheme is {parts.scheme[:20]!r}; allowed are http and https")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("the address holds a user or password; give one without")
    _check_host(host)
    port = PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise AddressRefused(f"the port is {port}; allowed are {', '.join(str(each) for each in ports)}")
    return Target(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _check_host(host: str) -> None:
    """A name, or an address as it is written today: not the decimal, octal and hexadecimal forms that old resolvers take."""
    if not host or "%" in host:
        raise AddressRefused("the address has no host, or one with a zone")
    if ":" in host:
        return
    last = host.rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        try:
            ipaddress.IPv4Address(host)
        except ValueError as error:
            raise AddressRefused("the host is a number; allowed are names and addresses of four plain decimal numbers") from error
    elif not _NAME.fullmatch(host) or len(host) > 253:
        raise AddressRefused("the host is no name that DNS could have")


def is_public(address: Address) -> bool:
    """May it be fetched from by default?"""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED_4)
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Public, or in a network that the site itself allows."""
    return is_public(address) or any(address.version == network.version and address in network for network in networks)
