"""Pictures of the console for README and docs, made by the browser itself: drawn pictures, scripted answers, the real heat map.

`WRITE_DOCS=1` puts them into docs/screenshots; otherwise they go to a temporary folder, and are made all the same.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from pellucid.analyse.analyser import Analyser, AnalyserSettings
from pellucid.analyse.moderation import load_policy
from pellucid.base.settings import shipped
from pellucid.runtime.bundle import LoadedBundle
from pellucid.serve.engine import Engine
from tests.browser.conftest import Start
from tests.browser.scripted import ScriptedAnalyser
from tests.browser.site import Scheme
from tests.browser.town import ANSWERS, name, past, queue_waits

pytestmark = pytest.mark.browser

LARGEST = 300_000
COLOURS = 255
# Every picture in sight is there.
DECODED = """() => Promise.all([...document.images]
    .filter((image) => image.offsetParent && image.getBoundingClientRect().top < innerHeight)
    .map((image) => image.decode()))"""
WAITS_MINUTES = {0: 310, 1: 95, 2: 41, 5: 500, 10: 62, 3: 18}


def test_screenshots(start: Start, repository: Path, tmp_path: Path) -> None:
    folder = repository / "docs" / "screenshots" if os.environ.get("WRITE_DOCS") else tmp_path / "screenshots"
    policy = tmp_path / "recourse.toml"
    policy.write_text((shipped("policies") / "recourse.toml").read_text().replace('"never"', '"overturning"'))
    scripted = ScriptedAnalyser({name(number): answer for number, answer in ANSWERS.items()})
    site = start(Engine(scripted, heatmap=heatmap_of), recourse_policy=policy, analysis_timeout_s=600)
    town = site.town()
    past(town, site.store.database)
    queue_waits(site.store.database, {town.ids[number]: minutes for number, minutes in WAITS_MINUTES.items()})
    town.post(2, "rulings", verdict="no_ai_found", reason="Brush strokes.", actor="Jonas")

    def shoot(file: str, path: str, *keys: str, width: int = 1280, scheme: Scheme = "light", wait_for: str | None = None) -> None:
        tab = site.sign_in("Mira", width, scheme)
        tab.go(path)
        tab.press(*keys)
        if wait_for:
            tab.page.wait_for_selector(wait_for, timeout=600_000)
        tab.page.evaluate(DECODED)
        keep(tab.page.screenshot(), folder / file)

    case = f"/console/cases/{town.ids[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    shoot("queue.png", "/console/queue")
    shoot("case-dark.png", f"/console/cases/{town.ids[1]}", "b", scheme="dark")
    shoot("measures.png", "/console/measures")
    shoot("queue-phone.png", "/console/queue", width=390)
    shoot("case-phone.png", case, width=390)
    shoot("case.png", case, "h", "4", "s", wait_for=".frame.heated")


def heatmap_of(data: bytes) -> bytes:
    """By the shipped bundle, however long that takes on a busy machine."""
    limits_s = dict.fromkeys(AnalyserSettings().time_limits_s, 600.0)
    analyser = Analyser(LoadedBundle.open(shipped("bundle"), 1), load_policy(), AnalyserSettings(time_limits_s=limits_s))
    try:
        return analyser.heatmap(data)
    finally:
        analyser.close()


def keep(png: bytes, path: Path) -> None:
    """With few colours, which a page has, so that the repository stays small."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    assert path.stat().st_size < LARGEST
