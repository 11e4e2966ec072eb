"""The asynchronous client: the same methods, on the application itself (ASGI) and over a real socket."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from pellucid.analyse.facts import pdq_of
from pellucid.base.settings import shipped
from pellucid.client import AsyncClient, Client, ConnectionFailed, NotAnswered, PictureRefused, Retries, StillWaiting, Unavailable
from pellucid.client.admin import Admin, AsyncAdmin
from pellucid.serve.engine import Engine
from tests.client.conftest import QUICK, Serve
from tests.client.flaky import Answer, codes_of, flaky, problem
from tests.pictures import png, scene
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def asked_of(app: FastAPI) -> AsyncIterator[AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), AsyncClient("http://testserver", retries=QUICK, transport=transport) as client:
        yield client


def methods(kind: type) -> dict[str, str]:
    """Name → parameters and result, in words in which both kinds are the same."""
    found = {name: member for name, member in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    words = {name: str(inspect.signature(member)).replace("AsyncIterator", "Iterator") for name, member in found.items()}
    return {name.replace("aclose", "close"): text for name, text in words.items()}


@pytest.mark.parametrize(("waiting", "awaited"), [(Client, AsyncClient), (Admin, AsyncAdmin)])
async def test_both_clients_have_the_same_methods_with_the_same_signatures(waiting: type, awaited: type) -> None:
    assert methods(awaited) == methods(waiting)


async def test_everything_is_asked_of_the_application(make_app: MakeApp) -> None:
    engine = Engine(FakeAnalyser(), heatmap=lambda data: b"drawn", embed=lambda data: np.full(512, 0.25, np.float32))
    async with asked_of(make_app(engine)) as client:
        report = await client.analyse(png(), declared="generated", name="a.png")
        later = await client.analyse(png(seed=1), later=True)
        other = await client.wait(later)
        assert {each.id async for each in client.list(page_size=1)} == {report.id, other.id}
        assert {each.report.id async for each in client.search("fake", page_size=1)} == {report.id, other.id}
        assert [each.report.id for each in await client.similar(report.id)] == [other.id]
        assert len(await client.search_by_picture(png(seed=2))) == 2
        assert await client.duplicates(report.id) == ()
        assert await client.heatmap(report.id) == b"drawn"
        assert (await client.derivative(analysis=report.id, to="png")).label == "generated"
        assert (await client.derivative(png(), size=32)).media_type == "image/png"
        await client.flag(report.id, "captured")
        await client.appeal(report.id, "I took it.")
        assert (await client.waiting())["appealed"] == 1
        assert [case.report.id async for case in client.queue(page_size=1)] == [report.id]
        assert (await client.statement(report.id)).analysis == report.id
        assert len([each async for each in client.statements()]) >= 1
        await client.rule(report.id, "captured", "I saw the negative.")
        assert (await client.get(report.id)).verdict.label == "captured"
        assert [len(await kind(report.id)) for kind in (client.flags, client.appeals, client.rulings)] == [1, 1, 1]
        assert (await client.transparency()).appeals["overturned"] == 1
        assert (await client.dry_run((shipped("policies") / "moderation.toml").read_text())).looked_at == 2
        assert await client.models() == ()
        assert (await client.health()).status == "ok"
        assert await client.ready()
        await client.delete(other.id)


async def test_keys_and_banks_are_looked_after(make_app: MakeApp) -> None:
    async with asked_of(make_app(api_keys=("0123456789abcdef",))) as nobody:
        transport = nobody._http._transport
        async with AsyncClient("http://testserver", "0123456789abcdef", transport=transport, retries=QUICK) as client:
            hashes = f"{pdq_of(scene(seed=5))[0]}\n".encode()
            await client.admin.put_bank("known", hashes, action="note", reason="On the list.")
            report = await client.analyse(png(seed=5))
            assert [match.analysis async for match in client.admin.bank_matches()] == [report.id]
            assert [bank.name for bank in await client.admin.banks()] == ["known"]
            await client.admin.remove_bank("known")
            key = await client.admin.make_key("app", role="platform")
            await client.admin.rotate_key(key.id)
            assert (await client.admin.revoke_key(key.id)).state == "revoked"
            assert len(await client.admin.keys()) == 1


async def test_many_pictures_are_sent_at_one_time_over_a_socket(serve: Serve) -> None:
    async with AsyncClient(f"http://127.0.0.1:{serve()}", retries=QUICK) as client:
        reports = await asyncio.gather(*(client.analyse(png(seed=seed), name=f"{seed}.png") for seed in range(8)))
        with pytest.raises(PictureRefused):
            await client.analyse(b"no picture")
    assert [report.source for report in reports] == [f"{seed}.png" for seed in range(8)]


async def test_waits_as_long_as_it_may(make_app: MakeApp) -> None:
    analyser = FakeAnalyser()
    analyser.gate.clear()
    async with asked_of(make_app(analyser)) as client:
        pending = await client.analyse(png(), later=True)
        with pytest.raises(NotAnswered):
            await client.get(pending.id)
        with pytest.raises(StillWaiting):
            await client.wait(pending, timeout_s=0.1)
        analyser.gate.set()
        assert (await client.wait(pending)).id == pending.id


async def test_sends_again_under_the_same_key_and_gives_up_in_the_end() -> None:
    busy, broken = problem(503, "busy"), Answer(0)
    with flaky(busy, broken, busy, broken) as server:
        async with AsyncClient(server.url, retries=QUICK) as client:
            with pytest.raises(Unavailable):
                await client.analyse(png())
        async with AsyncClient(server.url, retries=Retries(attempts=1)) as client:
            with pytest.raises(ConnectionFailed):
                await client.models()
            assert not await client.ready() if server.answers else True
    assert len(set(codes_of(server.asked[:3], "idempotency-key"))) == 1
