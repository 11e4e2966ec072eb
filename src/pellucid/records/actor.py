"""Who asks and what he may: the name that rulings and the audit log keep, and the scopes that routes ask for.

A role is a named set of scopes, in a policy file that a site may replace (docs/keys.md):

    name = "roles"
    version = 1

    [roles]
    moderator = ["read", "moderate"]

A role is looked up when a key is made and the key keeps the scopes: a later change of the file changes no key that exists.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from pellucid.base.errors import InvalidParameter
from pellucid.base.settings import shipped
from pellucid.records.recipe import Recipe, load_recipe
from pellucid.records.report import Frozen

Scope = Literal["analyse", "read", "flag", "appeal", "moderate", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# No colon: `cli:NAME` is who asked on the command line, and no key can pass for him.
ActorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}$")]


class Actor(Frozen):
    """`key` is the id of the API key, or `bootstrap-1` … for those of the settings; None where none was asked for."""

    name: str
    scopes: frozenset[Scope]
    key: str | None = None


# Who asks on loopback where no key was ever made, and who holds a key of PELLUCID_API_KEYS.
LOCAL = Actor(name="local", scopes=frozenset(SCOPES))
BOOTSTRAP = Actor(name="bootstrap", scopes=frozenset(SCOPES))
# Who the audit log names where nobody asks: sign-ins, deletions that a policy asks for, rulings that reach copies.
CONSOLE, RETENTION, INHERITANCE = "console", "retention", "inheritance"
# No key and no account is called so, in letters of any size.
RESERVED = frozenset({LOCAL.name, BOOTSTRAP.name, CONSOLE, RETENTION, INHERITANCE})


class Roles(Recipe):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)]
    roles: dict[str, Annotated[frozenset[Scope], Field(min_length=1)]]

    def scopes(self, role: str) -> frozenset[Scope]:
        """Raises `InvalidParameter`."""
        if role not in self.roles:
            raise InvalidParameter(f"there is no role {role[:80]!r}; {self.name}@{self.version} has {', '.join(self.roles)}")
        return self.roles[role]


def load_roles(path: Path | None = None) -> Roles:
    """The roles in `path`, or the shipped ones. Raises `ConfigError` with `FILE:LINE` for each mistake."""
    return load_recipe(path or shipped("policies") / "roles.toml", Roles)


def in_order(scopes: Collection[Scope]) -> list[Scope]:
    """As `SCOPES` lists them, so that the same set always reads the same."""
    return [scope for scope in SCOPES if scope in scopes]
