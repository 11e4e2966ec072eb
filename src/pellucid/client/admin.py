"""What administrators do with `client.admin`: API keys and hash banks. `AsyncAdmin` is the same for `AsyncClient`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Protocol

from pellucid.client import calls_admin
from pellucid.client.calls import Call, T
from pellucid.records.actor import Scope
from pellucid.records.bank import Bank, MatchEntry
from pellucid.records.key import Key
from pellucid.records.pages import MadeKey
from pellucid.records.report import BankAction

PAGE = 100


class Do(Protocol):
    def __call__(self, call: Call[T], /) -> T: ...


class DoLater(Protocol):
    async def __call__(self, call: Call[T], /) -> T: ...


class Admin:
    def __init__(self, do: Do) -> None:
        self._do = do

    def make_key(
        self, name: str, *, role: str | None = None, scopes: Collection[Scope] | None = None,
        expires_in_days: int | None = None, per_minute: int | None = None,
    ) -> MadeKey:  # fmt: skip
        """A new key of a role or of `scopes`. `key` of the answer is the secret, shown this once."""
        return self._do(calls_admin.make_key(name, role, scopes, expires_in_days, per_minute))

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._do(calls_admin.keys()).items)

    def rotate_key(self, key_id: str, *, overlap_hours: float = 24.0) -> MadeKey:
        return self._do(calls_admin.rotate_key(key_id, overlap_hours))

    def revoke_key(self, key_id: str) -> Key:
        return self._do(calls_admin.revoke_key(key_id))

    def banks(self) -> tuple[Bank, ...]:
        return tuple(self._do(calls_admin.banks()).items)

    def put_bank(self, name: str, hashes: bytes, *, action: BankAction, reason: str, bound: int | None = None) -> Bank:
        """A bank made, or replaced whole; `hashes` is a file as docs/banks.md lists them."""
        return self._do(calls_admin.put_bank(name, hashes, action, reason, bound))

    def remove_bank(self, name: str) -> None:
        self._do(calls_admin.remove_bank(name))

    def bank_matches(self, *, bank: str | None = None, analysis: str | None = None) -> Iterator[MatchEntry]:
        """Every match found, oldest first."""
        after: str | None = None
        while True:
            page = self._do(calls_admin.bank_matches(bank, analysis, PAGE, after))
            yield from page.items
            if (after := page.next) is None:
                return


class AsyncAdmin:
    def __init__(self, do: DoLater) -> None:
        self._do = do

    async def make_key(
        self, name: str, *, role: str | None = None, scopes: Collection[Scope] | None = None,
        expires_in_days: int | None = None, per_minute: int | None = None,
    ) -> MadeKey:  # fmt: skip
        return await self._do(calls_admin.make_key(name, role, scopes, expires_in_days, per_minute))

    async def keys(self) -> tuple[Key, ...]:
        return tuple((await self._do(calls_admin.keys())).items)

    async def rotate_key(self, key_id: str, *, overlap_hours: float = 24.0) -> MadeKey:
        return await self._do(calls_admin.rotate_key(key_id, overlap_hours))

    async def revoke_key(self, key_id: str) -> Key:
        return await self._do(calls_admin.revoke_key(key_id))

    async def banks(self) -> tuple[Bank, ...]:
        return tuple((await self._do(calls_admin.banks())).items)

    async def put_bank(self, name: str, hashes: bytes, *, action: BankAction, reason: str, bound: int | None = None) -> Bank:
        return await self._do(calls_admin.put_bank(name, hashes, action, reason, bound))

    async def remove_bank(self, name: str) -> None:
        await self._do(calls_admin.remove_bank(name))

    async def bank_matches(self, *, bank: str | None = None, analysis: str | None = None) -> AsyncIterator[MatchEntry]:
        after: str | None = None
        while True:
            page = await self._do(calls_admin.bank_matches(bank, analysis, PAGE, after))
            for item in page.items:
                yield item
            if (after := page.next) is None:
                return
