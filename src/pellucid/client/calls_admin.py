"""Calls of administrators as data: API keys and hash banks."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from pellucid.base.ids import is_id
from pellucid.client.calls import Call, asked, plain
from pellucid.client.reading import nothing, record
from pellucid.records.actor import Scope
from pellucid.records.bank import Bank
from pellucid.records.key import Key
from pellucid.records.pages import Banks, Keys, MadeKey, MatchPage
from pellucid.records.report import BankAction

OCTETS = {"Content-Type": "application/octet-stream"}


def make_key(
    name: str, role: str | None, scopes: Collection[Scope] | None, expires_in_days: int | None, per_minute: int | None
) -> Call[MadeKey]:
    wish = {
        "name": name, "role": role, "scopes": None if scopes is None else sorted(scopes), "expires_in_days": expires_in_days,
        "per_minute": per_minute,
    }  # fmt: skip
    return Call("POST", "/v1/keys", record(MadeKey), {"json": plain(wish)}, repeatable=False)


def keys() -> Call[Keys]:
    return Call("GET", "/v1/keys", record(Keys))


def rotate_key(key_id: str, overlap_hours: float) -> Call[MadeKey]:
    path = f"{_of_key(key_id)}/rotations"
    return Call("POST", path, record(MadeKey), {"json": {"overlap_hours": overlap_hours}}, repeatable=False)


def revoke_key(key_id: str) -> Call[Key]:
    return Call("DELETE", _of_key(key_id), record(Key))


def banks() -> Call[Banks]:
    return Call("GET", "/v1/banks", record(Banks))


def put_bank(name: str, hashes: bytes, action: BankAction, reason: str, bound: int | None) -> Call[Bank]:
    query = asked(action=action, reason=reason, bound=bound)
    return Call("PUT", _of_bank(name), record(Bank), {**query, "content": hashes, "headers": OCTETS})


def remove_bank(name: str) -> Call[None]:
    return Call("DELETE", _of_bank(name), nothing)


def bank_matches(bank: str | None, analysis: str | None, page_size: int, after: str | None) -> Call[MatchPage]:
    return Call("GET", "/v1/bank-matches", record(MatchPage), asked(bank=bank, analysis=analysis, limit=page_size, after=after))


def _of_key(key_id: str) -> str:
    if not is_id(key_id):
        raise ValueError(f"{key_id[:80]!r} is not the id of a key; take `id` of one that `keys` lists")
    return f"/v1/keys/{key_id}"


def _of_bank(name: str) -> str:
    if not name:
        raise ValueError("the bank has no name")
    return f"/v1/banks/{quote(name, safe='')}"
