"""Fetching by address, against real servers on loopback that a setting allows: what is hostile gets nowhere and costs little."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pellucid.base.errors import AddressRefused, BodyTooLarge, FetchDisabled, FetchFailed, FetchTooSlow
from pellucid.base.settings import Settings, read_settings
from pellucid.serve.fetch import Fetcher, Resolve, SystemResolver

LOOPBACK = "127.0.0.1/32"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Site:
    """A server that answers with what `pages` hold by path, byte for byte, and notes what it was asked."""

    def __init__(self, pages: Mapping[str, bytes | Answer]) -> None:
        self.pages, self.asked, self.port = pages, [], 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head)
            page = self.pages[head.split(" ")[1]]
            if isinstance(page, bytes):
                writer.write(page)
                await writer.drain()
            else:
                await page(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(
    pages: Mapping[str, bytes | Answer], host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    site = Site(pages)
    server = await asyncio.start_server(site.handle, host, port, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


def ok(body: bytes, *headers: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(where: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\nContent-Length: 0\r\nSet-Cookie: seen=1\r\n\r\n".encode()


def settings(site: Site, **given: Any) -> Settings:
    ports = (80, 443, site.port)
    return Settings(**{"fetch_urls": True, "fetch_ports": ports, "fetch_networks": LOOPBACK, "fetch_timeout_s": 8.0, **given})


def always(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def fetched(site: Site, path: str, resolve: Resolve | None = None, **given: Any) -> tuple[bytes, str]:
    fetcher = Fetcher(settings(site, **given), resolve or always("127.0.0.1"))
    return await fetcher.fetch(f"http://pictures.example:{site.port}{path}", lambda count: None)


def run(
    path: str, pages: Mapping[str, bytes | Answer], resolve: Resolve | None = None, **given: Any
) -> tuple[bytes, str, list[str]]:
    async def scenario() -> tuple[bytes, str, list[str]]:
        async with running(pages) as site:
            return *await fetched(site, path, resolve, **given), site.asked

    return asyncio.run(scenario())


def test_fetches_a_picture_and_shows_its_address_without_the_query() -> None:
    body, shown, (head,) = run("/a.jpg?token=secret", {"/a.jpg?token=secret": ok(b"picture")})
    assert body == b"picture"
    assert shown.endswith("/a.jpg")
    assert head.lower().count("host: pictures.example:") == 1


def test_is_off_unless_the_site_switches_it_on() -> None:
    with pytest.raises(FetchDisabled):
        run("/", {"/": ok(b"x")}, fetch_urls=False)
    assert not Settings().fetch_urls
    assert Settings().fetch_networks == ()


def test_loopback_is_refused_where_no_setting_allows_it() -> None:
    async def scenario() -> None:
        async with running({"/": ok(b"x")}) as site:
            for resolve in (always("127.0.0.1"), always("::1"), always("::ffff:127.0.0.1")):
                with pytest.raises(AddressRefused):
                    await fetched(site, "/", resolve, fetch_networks=())
            assert site.asked == []

    asyncio.run(scenario())


@pytest.mark.parametrize("addresses", [(), ("127.0.0.1", "10.0.0.1"), ("169.254.169.254", "127.0.0.1"), ("fd00:ec2::254",)])
def test_one_address_that_is_not_allowed_refuses_the_name(addresses: tuple[str, ...]) -> None:
    with pytest.raises(AddressRefused):
        run("/", {"/": ok(b"x")}, always(*addresses))


def test_names_that_do_not_resolve_and_names_of_ours_get_the_same_words() -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    said = []
    for resolve in (fails, always("10.0.0.1")):
        with pytest.raises(AddressRefused) as caught:
            run("/", {}, resolve)
        said.append(caught.value.detail)
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://2130706433/",
        "http://0x7f000001/", "http://0177.0.0.1/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/",
        "file:///etc/passwd", "ftp://pictures.example/", "http://pictures.example:22/", "",
    ],
)  # fmt: skip
def test_a_redirect_gains_nothing(where: str) -> None:
    async def as_written(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "pictures.example" else [host]

    with pytest.raises(AddressRefused):
        run("/", {"/": moved(where)}, as_written)


def test_three_redirects_are_followed_without_cookies_and_a_fourth_is_not() -> None:
    pages = {f"/{step}": moved(f"/{step + 1}", status) for step, status in enumerate((301, 302, 307, 308))} | {"/4": ok(b"end")}
    body, _, asked = run("/1", pages)
    assert body == b"end"
    assert len(asked) == 4
    assert "cookie" not in "".join(asked).lower()
    with pytest.raises(FetchFailed, match="more than 3"):
        run("/0", pages)


def test_a_name_is_resolved_once_a_hop_and_what_was_checked_is_what_is_connected_to() -> None:
    """The second answer of a rebinding name is only ever seen by a second check."""

    async def scenario() -> tuple[list[str], list[str], int]:
        answers = iter((["127.0.0.1"], ["127.0.0.2"]))
        asked = 0

        async def rebinding(host: str, port: int) -> Sequence[str]:
            nonlocal asked
            asked += 1
            return next(answers)

        async with running({"/": moved("/secret")}) as site, running({"/secret": ok(b"s")}, "127.0.0.2", site.port) as secret:
            with pytest.raises(AddressRefused):
                await fetched(site, "/", rebinding)
            return site.asked, secret.asked, asked

    open_asked, secret_asked, resolved = asyncio.run(scenario())
    assert (len(open_asked), secret_asked, resolved) == (1, [], 2)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert run("/", {"/": ok(b"direct")})[0] == b"direct"


def test_an_endless_body_is_cut_at_the_limit() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            sent += 1 << 16
            await writer.drain()

    with pytest.raises(BodyTooLarge):
        run("/", {"/": endless}, max_body_bytes=1 << 18)
    assert sent < 1 << 24


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    with pytest.raises(BodyTooLarge):
        run("/", {"/": b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"}, max_body_bytes=1000)


def test_a_slow_server_is_left_when_the_time_is_over() -> None:
    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(FetchTooSlow):
        run("/", {"/": drips}, fetch_timeout_s=0.6)
    assert time.monotonic() - begun < 20


def test_a_slow_redirect_chain_has_one_time_for_all() -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(moved("/"))
        await writer.drain()

    with pytest.raises(FetchTooSlow):
        run("/", {"/": late}, fetch_timeout_s=1.0)


@pytest.mark.parametrize("packing", ["gzip", "br", "deflate, gzip"])
def test_a_packed_answer_is_refused_so_that_nothing_unpacks(packing: str) -> None:
    bomb = gzip.compress(bytes(10 << 20))
    with pytest.raises(FetchFailed, match="packed"):
        run("/", {"/": ok(bomb, f"Content-Encoding: {packing}")})


@pytest.mark.parametrize(
    "page",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut short",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"",
    ],
    ids=["404", "206", "cut short", "endless header", "another protocol", "nothing"],
)
def test_what_is_no_whole_answer_is_refused(page: bytes) -> None:
    with pytest.raises(FetchFailed):
        run("/", {"/": page})


def test_a_closed_port_is_said_in_our_words() -> None:
    async def scenario() -> None:
        async with running({}) as site:
            pass
        with pytest.raises(FetchFailed):
            await fetched(site, "/")

    asyncio.run(scenario())


def test_tls_checks_the_name_though_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = _tls(tmp_path, "pictures.example")

    async def scenario() -> None:
        async with running({"/a": ok(b"over tls")}, tls=server) as site:
            fetcher = Fetcher(settings(site), always("127.0.0.1"), client)
            got, _ = await fetcher.fetch(f"https://pictures.example:{site.port}/a", lambda count: None)
            assert got == b"over tls"
            with pytest.raises(FetchFailed):
                await fetcher.fetch(f"https://other.example:{site.port}/a", lambda count: None)
            strangers = Fetcher(settings(site), always("127.0.0.1"))
            with pytest.raises(FetchFailed):
                await strangers.fetch(f"https://pictures.example:{site.port}/a", lambda count: None)

    asyncio.run(scenario())


def test_every_piece_is_told_before_it_is_kept() -> None:
    async def scenario() -> int:
        told = 0

        def take(count: int) -> None:
            nonlocal told
            told += count

        async with running({"/": ok(bytes(300_000))}) as site:
            await Fetcher(settings(site), always("127.0.0.1")).fetch(f"http://pictures.example:{site.port}/", take)
        return told

    assert asyncio.run(scenario()) == 300_000


def test_ports_and_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_FETCH_URLS", "on")
    monkeypatch.setenv("PELLUCID_FETCH_PORTS", "443, 8443")
    monkeypatch.setenv("PELLUCID_FETCH_NETWORKS", "10.1.0.0/16,fd00::/8")
    read = read_settings()
    assert (read.fetch_urls, read.fetch_ports) == (True, (443, 8443))
    assert [str(network) for network in read.fetch_networks] == ["10.1.0.0/16", "fd00::/8"]


def _tls(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(of a server called `name`, of a client that trusts it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(certificate + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=certificate.decode())


def test_names_are_asked_for_in_threads_of_their_own() -> None:
    """A resolver that hangs must not hold up the questions to the store, nor they the resolver."""

    async def scenario() -> Sequence[str]:
        store, resolver = ThreadPoolExecutor(1), SystemResolver()
        asyncio.get_running_loop().set_default_executor(store)
        done = threading.Event()
        asked = asyncio.create_task(asyncio.to_thread(done.wait))
        try:
            return await asyncio.wait_for(resolver("127.0.0.1", 80), 30)
        finally:
            done.set()
            await asked
            resolver.close()

    assert list(asyncio.run(scenario())) == ["127.0.0.1"]
