"""Failed sign-ins, counted for each account and each address: after some of them each further one must wait, longer each time.

An attempt is counted before its password is looked at, and taken back if that was right: so a thousand attempts at once are
counted too, by every process. A right password clears its account's count but not its address's, or whoever has one account could
go on guessing at others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, update

from pellucid.base.errors import TooManySignIns
from pellucid.records.account import handle_of
from pellucid.store.database import add_new, writing
from pellucid.store.tables import sign_in_failures

FORGOTTEN = timedelta(days=1)
# An account can be kept shut by whoever fails on purpose, so never for long.
LONGEST_S = 300.0
# Whoever has an IPv6 network has all addresses of it.
NETWORK_6 = 64


@dataclass(frozen=True)
class Counter:
    """Whose failures are counted, and how many are free."""

    who: str
    free: int


def counters(name: str, address: str) -> tuple[Counter, Counter]:
    """Of the account and of the address. People type passwords as names by mistake, so only a hash is kept."""
    return Counter(f"account:{_hash(handle_of(name))}", 5), Counter(f"address:{_hash(_network(address))}", 20)


def count_attempt(engine: Engine, counted: tuple[Counter, ...], at: datetime) -> None:
    """As if it will fail. Raises `TooManySignIns`, and counts nothing, where one must wait."""
    with writing(engine) as connection:
        # In one order everywhere, so that no two transactions wait for each other.
        for counter in sorted(counted, key=lambda each: each.who):
            _count(connection, counter, at)


def take_back(connection: Connection, counted: tuple[Counter, Counter]) -> None:
    """The password was right. In a transaction begun with `writing`."""
    account, address = counted
    failures = sign_in_failures.c
    connection.execute(delete(sign_in_failures).where(failures.who == account.who))
    connection.execute(
        update(sign_in_failures).where(failures.who == address.who, failures.count > 0).values(count=failures.count - 1)
    )


def forget_failures(connection: Connection, at: datetime) -> None:
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.last <= at - FORGOTTEN))


def wait_s(count: int, free: int) -> float:
    """Seconds to wait after `count` failures: none for the free ones, then 1, 2, 4, …"""
    return 0.0 if count < free else min(2.0 ** min(count - free, 60), LONGEST_S)


def _count(connection: Connection, counter: Counter, at: datetime) -> None:
    failures, mine = sign_in_failures.c, sign_in_failures.c.who == counter.who
    add_new(connection, sign_in_failures, {"who": counter.who, "count": 0, "last": at, "until": at})
    # The row is changed before it is read: whoever counts at the same moment waits here, and then sees what this one wrote.
    grown = update(sign_in_failures).where(mine, failures.until <= at).values(count=failures.count + 1, last=at)
    count = connection.execute(grown.returning(failures.count)).scalar_one_or_none()
    if count is None:
        until = connection.execute(select(failures.until).where(mine)).scalar_one()
        left = max(math.ceil((until - at).total_seconds()), 1)
        raise TooManySignIns(f"too many sign-ins failed; try again in {left} s", left)
    until = at + timedelta(seconds=wait_s(count, counter.free))
    connection.execute(update(sign_in_failures).where(mine).values(until=until))


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, NETWORK_6), strict=False))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
