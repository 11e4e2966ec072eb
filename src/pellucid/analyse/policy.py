"""A moderation policy: what moderators may change, as a versioned TOML of ordered rules. The first rule that holds decides.

    name = "moderation"
    version = 3

    [concepts]                        # a score of its own: the highest of some tags
    bare_skin = ["shirtless", "swimwear"]

    [[rules]]
    name = "nudity"
    decision = "block"                # allow, limit, review or block
    reason = "…"                      # a sentence a moderator can quote
    [rules.when]
    all = [{ score = "nsfw", at_least = 0.9 }, { domain = ["photo"] }]
    any = [{ score = "bare_skin", at_least = 0.5 }, { verdict = ["generated"] }]

    [[rules]]                         # the last one has no `when`: every picture gets a decision
    name = "default"
    …

A mistake is answered as a compiler would: file and line, what stood there, what is allowed, what was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from pellucid.base.errors import ConfigError
from pellucid.records.recipe import MOST_MISTAKES, Place, Recipe, key_lines, load_recipe, parse_recipe
from pellucid.records.report import Decision, Probability, VerdictLabel
from pellucid.runtime.bundle import SAFETY_CLASSES

SHIPPED = Path(__file__).parents[1] / "defaults" / "policies" / "moderation.toml"
SUBJECTS = ("score", "verdict", "domain", "not_domain", "missing")
# Rules are asked of every picture one after another, and a dry run asks them of thousands.
MOST_RULES = 200
MOST_NAMED = 40
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Condition(Recipe):
    """One comparison. A score that is not there reaches nothing and is below nothing; `missing` asks for just that."""

    score: str | None = None
    at_least: Probability | None = None
    below: Probability | None = None
    verdict: tuple[VerdictLabel, ...] | None = None
    domain: tuple[str, ...] | None = None
    not_domain: tuple[str, ...] | None = None
    missing: str | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        asked = [name for name in SUBJECTS if getattr(self, name) is not None]
        if len(asked) != 1:
            raise ValueError(
                f"a condition asks one thing, this one {' and '.join(asked) or 'nothing'}; allowed are {', '.join(SUBJECTS)}"
            )
        bounds = [name for name in ("at_least", "below") if getattr(self, name) is not None]
        if len(bounds) != (1 if self.score else 0):
            raise ValueError("a `score` is compared with exactly one of `at_least` and `below`; nothing else is")
        return self

    def holds(self, scores: Mapping[str, float], verdict: str | None, domain: str | None) -> bool:
        if self.missing is not None:
            return self.missing not in scores
        if self.score is not None:
            found = scores.get(self.score)
            return found is not None and (found >= self.at_least if self.at_least is not None else found < (self.below or 0))
        if self.verdict is not None:
            return verdict in self.verdict
        if self.domain is not None:
            return domain in self.domain
        return domain not in (self.not_domain or ())


class When(Recipe):
    """Holds if every condition of `all` does and, where `any` is given, at least one of those."""

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.all or self.any):
            raise ValueError(
                "`when` is empty, so the rule would always hold; give `all` or `any`, or leave `when` out in the last rule"
            )
        return self

    def holds(self, scores: Mapping[str, float], verdict: str | None, domain: str | None) -> bool:
        return all(one.holds(scores, verdict, domain) for one in self.all) and (
            not self.any or any(one.holds(scores, verdict, domain) for one in self.any)
        )


class Rule(Recipe):
    name: Name
    decision: Decision
    reason: Annotated[str, Field(min_length=1)]
    when: When | None = None


class Rules(Recipe):
    """What the file of a policy holds, each rule sound by itself."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    concepts: dict[Name, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=MOST_RULES)]


class Policy(Rules):
    """Rules that are sound together: every picture gets a decision, every rule can hold, every score is known."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for _, problem in faults(self):
            raise ValueError(problem)
        return self

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def scores_asked(self) -> frozenset[str]:
        """The scores that some rule compares or misses."""
        return frozenset(name for rule in self.rules for _, name in _scores_of(rule))


def load_policy(path: Path | None = None, tags: Collection[str] | None = None) -> Policy:
    """The policy in `path`, or the shipped one. Raises `ConfigError` with `FILE:LINE` for each mistake.

    Where `tags` of a bundle are given, concepts may be made of those only.
    """
    file = path or SHIPPED
    return _sound(file, load_recipe(file, Rules), lambda: file.read_text(encoding="utf-8"), tags)


def parse_policy(text: str, name: str = "policy", tags: Collection[str] | None = None) -> Policy:
    """The policy that `text` is, `name` in place of its file where mistakes are named. Raises `ConfigError` as `load_policy`."""
    file = Path(name)
    return _sound(file, parse_recipe(file, text, Rules), lambda: text, tags)


def _sound(file: Path, rules: Rules, text: Callable[[], str], tags: Collection[str] | None) -> Policy:
    if found := list(islice(faults(rules, tags), MOST_MISTAKES)):
        lines = dict(key_lines(text()))
        raise ConfigError("\n".join(f"{file}:{_line(lines, place)}: {_dotted(place)}: {problem}" for place, problem in found))
    return Policy.model_validate(rules.model_dump())


def faults(policy: Rules, tags: Collection[str] | None = None) -> Iterator[tuple[Place, str]]:
    """(place, problem) of what is wrong between the rules."""
    known = (*SAFETY_CLASSES, *policy.concepts)
    for name, members in policy.concepts.items():
        if name in SAFETY_CLASSES:
            yield ("concepts", name), f"{name!r} is a score of the safety model; give the concept another name"
        for tag in members if tags is not None else ():
            if tag not in (tags or ()):
                yield (
                    ("concepts", name),
                    f"the bundle has no tag {tag!r}; {did_you_mean(tag, tags or ())}take one that `tags.json` lists",
                )
    first: dict[str, int] = {}
    for place, rule in enumerate(policy.rules):
        if first.setdefault(rule.name, place) != place:
            yield (
                ("rules", place, "name"),
                f"a rule before is called {rule.name!r} too; a decision names its rule, so give each its own name",
            )
        yield from _order_fault(rule, place, last=place == len(policy.rules) - 1)
        for where, name in _scores_of(rule):
            if name not in known:
                hint = did_you_mean(name, known)
                yield (
                    ("rules", place, "when", where),
                    f"no score is called {name!r}; {hint}known are {_named(known)}",
                )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")


def did_you_mean(wrong: str, allowed: Collection[str]) -> str:
    near = difflib.get_close_matches(wrong, list(allowed), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}? " if near else ""


def _order_fault(rule: Rule, place: int, last: bool) -> Iterator[tuple[Place, str]]:
    if last and rule.when is not None:
        yield (
            ("rules", place),
            f"the last rule, {rule.name!r}, has a `when`, so some pictures would get no decision; end with one without",
        )
    if not last and rule.when is None:
        yield (
            ("rules", place),
            f"{rule.name!r} has no `when`, so no rule after it could ever hold; give it one or move it to the end",
        )


def _scores_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """("all" or "any", score) of what the rule compares or misses."""
    for where, conditions in (("all", rule.when.all), ("any", rule.when.any)) if rule.when else ():
        for one in conditions:
            if name := one.score or one.missing:
                yield where, name


def _line(lines: dict[Place, int], place: Place) -> int:
    return next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), 1)


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)
