"""A moderator's way through ten cases by keyboard alone: actions and seconds a case, counted and not asserted.

`WRITE_DOCS=1` writes what was counted to docs/proofs/console.md. Seconds are those of the console, from key to key: a script does
not think, so they say how long the console lets a person wait.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from pellucid.base.settings import shipped
from tests.browser.conftest import Start
from tests.browser.site import Tab

pytestmark = pytest.mark.browser

# What is pressed on each case, in the order of the queue: the picture, a verdict, a reason; twice with words of his own.
CASES = tuple(
    tuple(keys.split())
    for keys in ("b 4 s", "b 4 a", "b 4 r words", "b 4 a", "b 4 d", "b 1 a", "b 1 d", "b 4 a", "b 1 r words", "b 4 f")
)
WORDS = "The brush strokes run over the edge of the board."


@dataclass(frozen=True)
class Way:
    actions: int
    seconds: float


def test_ten_cases_by_keyboard(start: Start, tmp_path: Path, repository: Path) -> None:
    """What is merely similar brings no case back: some of the drawn hills are, and ten are to be counted."""
    policy = tmp_path / "recourse.toml"
    policy.write_text(
        (shipped("policies") / "recourse.toml").read_text().replace("similar_distance = 70", "similar_distance = 0")
    )
    site = start(recourse_policy=policy)
    site.town()
    tab = site.sign_in("Mira")
    assert tab.page.locator(".case").count() == len(CASES)
    with tab.page.expect_navigation():
        tab.press("Enter")
    ways = [ruled(tab, keys) for keys in CASES]
    assert "Nothing waits here." in tab.page.inner_text("main")
    rulings = [each for each in site.client.get("/v1/analyses?limit=200").json()["items"] if each["ruling"]]
    assert len(rulings) == len(CASES)
    assert [way.actions for way in ways] == [len(keys) + 1 for keys in CASES]
    if os.environ.get("WRITE_DOCS"):
        (repository / "docs" / "proofs" / "console.md").write_text(told(ways))


def ruled(tab: Tab, keys: tuple[str, ...]) -> Way:
    begun, pressed = time.monotonic(), tab.pressed
    for key in keys:
        if key == "words":
            tab.page.keyboard.type(WORDS)
            tab.pressed += 1
            continue
        tab.press(key)
        if key == "b":
            tab.page.locator(".frame .bare").evaluate("image => image.decode()")
    with tab.page.expect_navigation():
        tab.press("Control+Enter")
    return Way(tab.pressed - pressed, time.monotonic() - begun)


def told(ways: list[Way]) -> str:
    actions, seconds = median(way.actions for way in ways), median(way.seconds for way in ways)
    rows = "\n".join(
        f"| {number} | {' '.join(keys)} Ctrl+Enter | {way.actions} | {way.seconds:.2f} |"
        for number, (keys, way) in enumerate(zip(CASES, ways, strict=True), start=1)
    )
    return f"""# The timed path of a moderator

`make console-docs` on two AMD EPYC cores that also ran other work (load average {os.getloadavg()[0]:.0f}): ten cases, one after
the other, by keyboard alone, in Debian's Chromium against the real service with scripted answers.
**Median: {actions:.0f} actions and {seconds:.2f} s a case.**

Seconds are the console's own, from key to key until the next case is there: showing the picture, ruling, loading the next page.
A script does not think; what a person takes to look and to judge comes on top. `words` is a reason of his own, typed, and counted
as one action.

| case | keys | actions | seconds |
|---|---|---|---|
{rows}
"""
