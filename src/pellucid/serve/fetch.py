"""A picture fetched by its address, so that nobody can make this service speak to machines that only it can reach.

    URL → scheme, port, host as written → resolve → every address public? → connect to one of just these → answer 200 → bytes
              ↑                                                                                              │
              └────────────────────────── redirect, at most three ───────────────────────────────────────────┘

The name is resolved once a hop, inside the connection's own back end: what was checked is what is connected to, so a name that
answers differently the second time gains nothing. TLS still checks the certificate against the name. No cookies, no proxies of
the environment, nothing unpacked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpcore2
from httpcore2 import AnyIOBackend, AsyncConnectionPool, AsyncNetworkBackend, AsyncNetworkStream

from pellucid.base.addresses import Network, Target, is_allowed, target_of
from pellucid.base.errors import AddressRefused, BodyTooLarge, FetchDisabled, FetchFailed, FetchTooSlow
from pellucid.base.lengths import announces_more
from pellucid.base.settings import PREFIX, Settings

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Take = Callable[[int], None]

MOST_REDIRECTS = 3
RESOLVING_AT_ONCE = 8
MOST_ADDRESSES_TRIED = 3
REDIRECTS = frozenset((301, 302, 303, 307, 308))
HEADERS = ((b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"pellucid"))
# One answer for what does not resolve and for what resolves to us, so that nobody can ask for the names of our machines.
NOT_PUBLIC = "the host has no address that is public, or one that is not; give one that everybody can reach"
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    OSError,
)


class SystemResolver:
    """The machine's own, in threads of its own: names that do not resolve may take a minute each, and hold up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_AT_ONCE, thread_name_prefix="pellucid-dns")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address of `host`. Raises `OSError`."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [str(address[0]) for *_, address in found]

    def close(self) -> None:
        """Waits for no name that is still being asked for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Fetcher:
    """Fetches as the settings allow; `resolve` and `tls` are the machine's own unless a test brings others."""

    def __init__(self, settings: Settings, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._settings, self._tls, self._own = settings, tls, SystemResolver()
        self._backend = CheckedBackend(resolve or self._own, settings.fetch_networks)

    def close(self) -> None:
        self._own.close()

    async def fetch(self, url: str, take: Take) -> tuple[bytes, str]:
        """(the bytes, the address to show); `take` is told of every piece before it is kept.

        Raises `FetchDisabled`, `AddressRefused`, `FetchFailed`, `FetchTooSlow` or `BodyTooLarge`.
        """
        settings = self._settings
        if not settings.fetch_urls:
            raise FetchDisabled(f"fetching by address is off; send the picture itself, or set {PREFIX}FETCH_URLS")
        first = target = target_of(url, settings.fetch_ports)
        try:
            async with asyncio.timeout(settings.fetch_timeout_s):
                for _ in range(MOST_REDIRECTS + 1):
                    found = await self._ask(target, take)
                    if isinstance(found, bytes):
                        return found, first.shown
                    target = found
        except TimeoutError as error:
            raise FetchTooSlow(f"no whole answer in {settings.fetch_timeout_s:g} s, which is the time allowed") from error
        except _FAILURES as error:
            raise FetchFailed(f"the address did not answer as HTTP asks: {type(error).__name__}") from error
        raise FetchFailed(f"the address leads on more than {MOST_REDIRECTS} times; give the last one")

    async def _ask(self, target: Target, take: Take) -> bytes | Target:
        """The body, or where it is said to be. Each question has a connection of its own."""
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        async with (
            AsyncConnectionPool(self._tls, network_backend=self._backend, max_connections=1) as pool,
            pool.stream("GET", url, headers=[(b"Host", target.site.encode()), *HEADERS]) as answer,
        ):
            if answer.status in REDIRECTS:
                return self._next(target, answer)
            if answer.status != 200:
                raise FetchFailed(f"the address answered {answer.status}; only 200 is taken")
            return await self._body(answer, take)

    def _next(self, target: Target, answer: httpcore2.Response) -> Target:
        return target_of(_header(answer, b"location"), self._settings.fetch_ports, target.url)

    async def _body(self, answer: httpcore2.Response, take: Take) -> bytes:
        """Packed answers are refused, for none was asked for: so nothing can unpack to more than came."""
        limit, pieces, count = self._settings.max_body_bytes, [], 0
        packed = _header(answer, b"content-encoding")
        if packed.lower() not in ("", "identity"):
            raise FetchFailed(f"the answer is packed ({packed[:20]!r}) though it was asked for as it is")
        announced = _header(answer, b"content-length")
        if announces_more(announced, limit):
            raise _too_large(limit)
        async for piece in answer.aiter_stream():
            count += len(piece)
            if count > limit:
                raise _too_large(limit)
            take(len(piece))
            pieces.append(piece)
        return b"".join(pieces)


class CheckedBackend(AsyncNetworkBackend):
    """Connects to names whose every address is allowed, and to no address but those."""

    def __init__(self, resolve: Resolve, networks: Sequence[Network]) -> None:
        self._resolve, self._networks, self._plain = resolve, networks, AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109: the name is the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Raises `AddressRefused`, or what the connection raises."""
        failure: Exception | None = None
        for address in (await self._allowed(host, port))[:MOST_ADDRESSES_TRIED]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as error:
                failure = error
        raise failure or AddressRefused(NOT_PUBLIC)

    async def _allowed(self, host: str, port: int) -> list[str]:
        try:
            addresses = [ipaddress.ip_address(address) for address in await self._resolve(host, port)]
        except (OSError, ValueError) as error:
            raise AddressRefused(NOT_PUBLIC) from error
        if not addresses or not all(is_allowed(address, self._networks) for address in addresses):
            raise AddressRefused(NOT_PUBLIC)
        return list(dict.fromkeys(str(address) for address in addresses))


def _header(answer: httpcore2.Response, name: bytes) -> str:
    return next((value.decode("latin-1").strip() for key, value in answer.headers if key.lower() == name), "")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"what the address gives is larger than the {limit} bytes allowed; give a smaller picture")
