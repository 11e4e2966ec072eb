"""What stands in the instance that browser tests look at: answers, flags, appeals and rulings of some days."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
from sqlalchemy import Engine, update

from pellucid.base.ids import new_id
from pellucid.records.report import Evidence
from pellucid.store.analyses import answered, standing_of
from pellucid.store.database import writing
from pellucid.store.tables import analyses, appeals, flags, rulings
from tests.browser.scenes import KINDS, as_jpeg
from tests.browser.scripted import Answer
from tests.pictures import png

MARK = Evidence(kind="claim", source="png-text:parameters", says="generated", state="unsigned", detail="Steps: 30")
CAMERA = Evidence(kind="claim", source="exif", says="camera", state="unsigned", detail="Acme Obscura 7, 50mm f/1.8")
WORDS = {
    "hills": ("Hills fade into haze under a low sun.", ("hill", "sunset", "fog")),
    "harbour": ("Four sailing boats lie in a harbour.", ("boat", "sea", "sail")),
    "fruit": ("Apples and oranges on a wooden table.", ("fruit", "apple", "table")),
    "street": ("Lit windows of a row of houses at night.", ("city", "night", "window")),
    "poster": ("Coloured circles and squares on a pale ground.", ("poster", "circle")),
    "page": ("A page of text with a heading.", ("text", "document")),
}
SLICES = {"poster": "design/large", "page": "screenshot/large", "street": "render-game/large"}


def answer(number: int, probability: float, **more: Any) -> Answer:
    kind = KINDS[number % len(KINDS)].__name__
    caption, tags = WORDS[kind]
    return Answer(probability=probability, caption=caption, tags=tags, slice=SLICES.get(kind, "photo/web"), **more)


def name(number: int) -> str:
    """Under which it is sent."""
    return f"{KINDS[number % len(KINDS)].__name__}-{number}.jpg"


# Number of the picture → how it is answered.
ANSWERS: dict[int, Answer] = {
    0: answer(0, 0.97, interval=(0.91, 0.99), evidence=(CAMERA,)),
    1: answer(1, 0.88, interval=(0.71, 0.93)),
    2: answer(2, 0.93),
    3: answer(3, 0.74, interval=(0.66, 0.79)),
    4: answer(4, 0.31, evidence=(MARK,)),
    5: answer(5, 0.08),
    6: answer(6, 0.6, interval=(0.48, 0.7)),
    7: answer(7, 0.52, interval=(0.41, 0.66)),
    8: answer(8, 0.64, interval=(0.55, 0.71)),
    9: answer(
        9,
        0.2,
        decision="review",
        rule="gore",
        reason="The safety model takes this for violence or gore.",
        scores={"nsfw": 0.02, "gore": 0.84},
    ),
    10: answer(10, 0.04),
    11: answer(11, 0.02),
    **{number: answer(number, round(0.5 + 0.45 * math.sin(number * 1.7), 2)) for number in range(100, 190)},
}
APPEALS = {
    0: "I stood there at six in the morning and froze for this. I have the raw file and the two frames before it.",
    1: "This is our harbour, everyone here knows the boats. I took it with my phone from the pier.",
    2: "Painted by me. It is oil on board, I can photograph it from the side.",
}
FLAGS = {
    5: ("generated", "The letters make no sense when you zoom in."),
    10: ("generated", "Too smooth to be real."),
    3: ("no_ai_found", None),
}


@dataclass
class Town:
    """`ids` by number. `client` holds a key with every scope."""

    client: httpx.Client
    ids: dict[int, str] = field(default_factory=dict)

    def send(self, number: int, data: bytes | None = None) -> dict[str, Any]:
        sent = self.client.post("/v1/analyses", files={"file": (name(number), data or as_jpeg(number))})
        assert sent.status_code == 200, sent.text
        self.ids.setdefault(number, sent.json()["id"])
        return dict(sent.json())

    def post(self, number: int, what: str, **body: Any) -> dict[str, Any]:
        wish = {key: value for key, value in body.items() if value}
        sent = self.client.post(f"/v1/analyses/{self.ids[number]}/{what}", json=wish)
        assert sent.status_code == 201, sent.text
        return dict(sent.json())

    def fill(self) -> Town:
        for number in [number for number in ANSWERS if number < 100]:
            self.send(number)
        for number, reason in APPEALS.items():
            self.post(number, "appeals", reason=reason, actor=f"uploader-{number}")
        for number, (says, note) in FLAGS.items():
            self.post(number, "flags", says=says, note=note, actor=f"user-{number}")
        return self


def past(town: Town, database: Engine, days: int = 30, a_day: int = 2) -> None:
    """Small pictures of the last days, some appealed or flagged, and those ruled on by two or three. Moments are set back."""
    draw = random.Random(7)
    now = datetime.now(UTC)
    for number in range(100, 100 + days * a_day):
        back = timedelta(days=(number - 100) // a_day, hours=draw.uniform(1, 20))
        town.send(number, png(96, 96, seed=number))
        if draw.random() < 0.25:
            town.post(number, "appeals", reason="It is mine.", actor=f"uploader-{number}")
        elif draw.random() < 0.8:
            _set_back(database, town.ids[number], now - back, timedelta())
            continue
        else:
            town.post(number, "flags", says="generated", actor=f"user-{number}")
        verdict = draw.choice(("no_ai_found", "generated", "generated"))
        # Each is the first to decide in turn; where the second differs a third settles it.
        votes = [verdict, verdict] if draw.random() < 0.85 else [verdict, "edited", verdict]
        for who, vote in zip(("Mira", "Jonas", "Lena"), votes, strict=False):
            town.post(number, "rulings", verdict=vote, reason="Seen.", actor=who)
        _set_back(database, town.ids[number], now - back, timedelta(minutes=draw.uniform(4, 240)))


def queue_waits(database: Engine, minutes: Mapping[str, float]) -> None:
    """Open appeals and flags on these analyses were made so long ago, the analyses themselves an hour before."""
    with writing(database) as connection:
        for analysis, back in minutes.items():
            moment = datetime.now(UTC) - timedelta(minutes=back)
            sent = moment - timedelta(hours=1)
            report = answered(standing_of(connection, analysis)).model_copy(update={"created": sent.isoformat()})
            changed = {"created": sent, "report": report.model_dump(mode="json")}
            connection.execute(update(analyses).where(analyses.c.id == analysis).values(changed))
            for table in (appeals, flags):
                mine = update(table).where(table.c.analysis == analysis, table.c.state == "open")
                connection.execute(mine.values(id=new_id(moment), created=moment))


def _set_back(database: Engine, analysis: str, moment: datetime, open_for: timedelta) -> None:
    with writing(database) as connection:
        connection.execute(update(analyses).where(analyses.c.id == analysis).values(created=moment))
        connection.execute(update(rulings).where(rulings.c.analysis == analysis).values(created=moment + open_for))
        for table in (appeals, flags):
            connection.execute(update(table).where(table.c.analysis == analysis).values(created=moment))
            closed = (table.c.analysis == analysis, table.c.state == "closed")
            connection.execute(update(table).where(*closed).values(closed=moment + open_for))
