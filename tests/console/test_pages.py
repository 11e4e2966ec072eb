"""The pages as the server gives them: what is veiled, withheld and sealed, forms without scripts, and what comes next."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings, shipped
from pellucid.console.plots import Scale, side_by_side, stacked
from pellucid.console.words import ago, few, instant, probability, span
from pellucid.records.report import Inference
from tests.browser.scripted import Answer, ScriptedAnalyser
from tests.console.conftest import ORIGIN, OWN, Start, token_of
from tests.feedback.conftest import appeal, flag, report, rule, upload
from tests.pictures import png, saved, scene


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(analyser, **settings)` → a client on loopback, where everyone is `local`."""
    with ExitStack() as stack:

        def started(analyser: ScriptedAnalyser | None = None, **settings: Any) -> TestClient:
            app = create_app(Settings(**{"data_dir": tmp_path / "data", **settings}), analyser or ScriptedAnalyser())
            return stack.enter_context(TestClient(app, base_url=ORIGIN, follow_redirects=False))

        yield started


@pytest.fixture
def site(start: Start) -> TestClient:
    return start()


@pytest.fixture
def always_two(start: Start, tmp_path: Path) -> TestClient:
    """Every ruling needs two moderators."""
    policy = tmp_path / "recourse.toml"
    policy.write_text((shipped("policies") / "recourse.toml").read_text().replace('"never"', '"always"'))
    return start(recourse_policy=policy)


def page(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(f"/console/{path}")
    assert answer.status_code == status, answer.text
    return answer.text


def send(client: TestClient, analysis: str, **form: str):  # type: ignore[no-untyped-def]
    token = token_of(page(client, f"cases/{analysis}"))
    return client.post(f"/console/cases/{analysis}/rulings", data={"csrf": token, **form}, headers=OWN)


def picture(client: TestClient, analysis: str, form: str) -> Image.Image:
    answer = client.get(f"/console/pictures/{analysis}/{form}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, max-age=300"
    return Image.open(io.BytesIO(answer.content))


def test_the_console_begins_at_the_queue(site: TestClient) -> None:
    assert site.get("/console").headers["location"] == "/console/queue"
    assert "Nothing waits here." in page(site, "queue")


def test_what_is_shown_unasked_never_held_the_details(site: TestClient) -> None:
    name = upload(site, saved(scene(1600, 900)))["id"]
    bare, veiled = picture(site, name, "bare"), picture(site, name, "veiled")
    assert bare.size == veiled.size == (1280, 720)
    pixels = np.asarray(veiled.convert("RGB"), dtype=np.int16)
    assert np.abs(pixels - pixels.mean(axis=2, keepdims=True)).max() <= 2, "grey"
    # Halved to 64 pixels and back the picture is the same: there was nothing finer in it.
    few_pixels = veiled.convert("L").resize((64, 36), Image.Resampling.BOX).resize(veiled.size, Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(few_pixels, dtype=np.int16) - pixels[..., 0]).mean() < 2
    for at in ("queue", f"cases/{name}", "search"):
        assert '/bare" ' not in re.sub(r'data-bare="[^"]*"', "", page(site, at))
    assert picture(site, name, "thumbnail").size == (240, 135)
    assert f'src="/console/pictures/{name}/bare"' in page(site, f"cases/{name}?view=bare")


def test_a_picture_that_a_bank_blocks_is_shown_in_no_form(site: TestClient) -> None:
    first = upload(site, saved(scene(640, 480)))
    appeal(site, first["id"])
    assert picture(site, first["id"], "veiled-thumbnail")
    body = f"{first['image']['pdq']},case-1,,\n"
    assert site.put("/v1/banks/known", params={"action": "block", "reason": "On the list."}, content=body).status_code == 200
    for form in ("veiled-thumbnail", "veiled", "thumbnail", "bare", "heat"):
        assert site.get(f"/console/pictures/{first['id']}/{form}").status_code in (404, 451), form
    for at in ("queue", f"cases/{first['id']}", "search"):
        text = page(site, at)
        assert f"/console/pictures/{first['id']}" not in text, at
    assert "A hash bank blocks this picture." in page(site, f"cases/{first['id']}")


def test_a_ruling_leads_to_the_next_case_of_the_line(site: TestClient) -> None:
    names = [upload(site, png(seed=seed))["id"] for seed in range(4)]
    flag(site, names[3])
    for name in names[:3]:
        appeal(site, name)
    done = send(site, names[1], verdict="no_ai_found", reason="Seen.")
    assert done.headers["location"].startswith(f"/console/cases/{names[2]}?ruled=")
    assert "No AI found" in site.get(done.headers["location"]).text
    assert report(site, names[1])["ruling"]["reason"] == "Seen."
    done = send(site, names[2], verdict="generated", reason="Seen.", line="appealed")
    assert done.headers["location"].startswith(f"/console/cases/{names[0]}?line=appealed")
    done = send(site, names[0], verdict="generated", reason="Seen.", line="appealed")
    assert done.headers["location"].startswith("/console/queue?line=appealed")
    assert f"/console/cases/{names[3]}" in page(site, "queue")


def test_a_form_that_was_loaded_before_another_ruling_is_not_taken_for_an_answer_to_it(site: TestClient) -> None:
    name = upload(site)["id"]
    token = token_of(page(site, f"cases/{name}"))
    rule(site, name, {"verdict": "captured", "reason": "The camera's record."}, "bob")
    form = {"csrf": token, "verdict": "generated", "reason": "Six fingers.", "stands": ""}
    late = site.post(f"/console/cases/{name}/rulings", data=form, headers=OWN)
    assert late.status_code == 409
    assert all(words in late.text for words in ("since this page was loaded", "Six fingers.", "record."))
    again = form | {"stands": report(site, name)["ruling"]["id"]}
    assert site.post(f"/console/cases/{name}/rulings", data=again, headers=OWN).status_code == 303
    assert report(site, name)["verdict"]["label"] == "generated"


def test_without_a_script_a_reason_is_quoted_by_its_place_if_it_fits_the_verdict(site: TestClient) -> None:
    name = upload(site)["id"]
    fits = re.search(r'for-edited"><input type="radio" name="quoted" value="(\d+)" data-key="a"', page(site, f"cases/{name}"))
    assert fits
    assert send(site, name, verdict="generated", quoted=fits[1]).status_code == 422
    assert send(site, name, verdict="edited", quoted=fits[1]).status_code == 303
    assert report(site, name)["ruling"]["reason"].startswith("A part was put in")


def test_a_reason_that_needs_evidence_is_offered_where_there_is_some(site: TestClient) -> None:
    names = {"bare": upload(site)["id"], "declared": upload(site, png(seed=7), declared_ai="edited")["id"]}
    offered = {name: page(site, f"cases/{each}") for name, each in names.items()}
    assert [name for name, text in offered.items() if "The uploader says that AI changed" in text] == ["declared"]
    assert not [name for name, text in offered.items() if "The file says that an AI generator" in text]


def test_a_reason_that_was_not_offered_cannot_be_quoted_by_its_place(site: TestClient) -> None:
    bare, declared = upload(site)["id"], upload(site, png(seed=7), declared_ai="edited")["id"]
    place = re.search(r'value="(\d+)" data-key="\w" data-text="The uploader says', page(site, f"cases/{declared}"))
    assert place
    assert send(site, bare, verdict="edited", quoted=place[1]).status_code == 422
    assert send(site, declared, verdict="edited", quoted=place[1]).status_code == 303


def test_a_mistake_is_told_beside_the_field_and_nothing_typed_is_lost(site: TestClient) -> None:
    name = upload(site)["id"]
    typed = "x" * 2001
    answer = send(site, name, verdict="edited", reason=typed, reply="Dear <uploader>", decision="limit")
    assert answer.status_code == 422
    assert "at most 2,000 characters" in answer.text
    assert typed in answer.text
    assert "Dear &lt;uploader&gt;" in answer.text
    assert '<option value="limit" selected>' in answer.text
    assert re.search(r'id="v-edited" value="edited" checked', answer.text)
    assert report(site, name)["ruling"] is None


def test_what_a_first_moderator_said_is_on_no_page_of_the_second(always_two: TestClient) -> None:
    site = always_two
    name = upload(site)["id"]
    rule(site, name, {"verdict": "captured", "reason": "The quince tree."}, "ann")
    for at in ("queue", f"cases/{name}", "appeals"):
        text = page(site, at)
        assert "quince" not in text
        assert "ann" not in re.sub(r"<[^>]*>", "", text).split(), at
    assert "sealed until" in page(site, f"cases/{name}")
    rule(site, name, {"verdict": "captured", "reason": "Mine is known to me."}, "bob")
    assert "quince" in page(site, f"cases/{name}"), "two agree: nothing is sealed any more"


def test_who_waits_for_another_is_not_led_to_his_own_case(always_two: TestClient) -> None:
    site = always_two
    names = [upload(site, png(seed=seed))["id"] for seed in range(2)]
    for name in names:
        appeal(site, name)
    assert send(site, names[0], verdict="captured", reason="Seen.").headers["location"].startswith(f"/console/cases/{names[1]}")
    assert send(site, names[1], verdict="captured", reason="Seen.").headers["location"].startswith("/console/queue")
    assert "You have ruled" in page(site, f"cases/{names[0]}")


def test_history_and_appeals_tell_what_became_of_them(site: TestClient) -> None:
    name = upload(site)["id"]
    appeal(site, name, "I was there.")
    rule(site, name, {"verdict": "no_ai_found", "reason": "He was.", "reply": "Sorry."})
    text = page(site, f"cases/{name}")
    assert text.rindex("I was there.") < text.rindex("He was.")
    closed = page(site, "appeals?state=closed")
    assert all(words in closed for words in ("Overturned", "I was there.", "He was.", "Sorry."))
    assert "No appeal is open." in page(site, "appeals")


def test_search_finds_by_words_by_tag_by_likeness_and_the_newest(start: Start) -> None:
    words = {"a.png": Answer(caption="A red boat.", tags=("boat",)), "b.png": Answer(caption="A green hill.", tags=("hill",))}
    site = start(ScriptedAnalyser(words))
    boat, hill = (
        site.post("/v1/analyses", files={"file": (name, png(seed=seed))}).json()["id"] for seed, name in enumerate(words)
    )
    asked = {"q=boats": [boat], "tag=hill": [hill], f"like={boat}": [hill], "verdict=captured": [], "": [hill, boat]}
    for query, found in asked.items():
        assert re.findall(r'data-row href="/console/cases/(\w+)"', page(site, f"search?{query}")) == found, query
    assert "<mark>boat</mark>" in page(site, "search?q=boats")
    assert page(site, "search?colour=red", 422)


def test_a_policy_is_tried_and_its_mistakes_are_told_with_their_lines(site: TestClient) -> None:
    name = upload(site)["id"]
    text = (shipped("policies") / "moderation.toml").read_text()
    token = token_of(page(site, "policy"))
    stricter = text.replace('decision = "allow"', 'decision = "limit"')
    tried = site.post("/console/policy", data={"csrf": token, "policy": stricter}, headers=OWN)
    assert tried.status_code == 200
    assert f"/console/cases/{name}" in tried.text
    wrong = site.post("/console/policy", data={"csrf": token, "policy": text.replace("at_least", "atleast", 1)}, headers=OWN)
    assert wrong.status_code == 422
    assert re.search(r"policy\.toml:\d+: ", wrong.text)
    assert "atleast" in wrong.text
    assert report(site, name)["moderation"]["decision"] == "allow"


def test_measures_count_what_there_is(site: TestClient) -> None:
    names = [upload(site, png(seed=seed))["id"] for seed in range(3)]
    appeal(site, names[0]), flag(site, names[1])
    text = page(site, "measures?days=7")
    assert "3 AI-generated" in text
    assert "Appealed by age: 1 under 1 h" in text


def test_an_address_that_is_none_is_a_page_that_says_so(site: TestClient) -> None:
    assert "there is nothing at /console/nothing" in page(site, "nothing", 404)
    assert "there is no analysis" in page(site, "cases/01KANJ5V7ZQ4W4X1T0QK8P3M2C", 404)


def test_shapes_of_a_plot_fill_it() -> None:
    kinds = {"a": "A", "b": "B"}
    plot = stacked([("2026-11-01", {"a": 1, "b": 3}), ("2026-11-02", {}), ("2026-11-03", {"b": 2})], kinds)
    assert plot.most == 4
    assert [(bar.kind, bar.y, bar.height) for bar in plot.bars] == [("a", 120, 40), ("b", 0, 120), ("b", 80, 80)]
    assert [(bar.x, bar.width) for bar in side_by_side({"a": 1, "b": 3}, kinds)] == [(0, 160), (160, 480)]
    assert stacked([("2026-11-01", {})], kinds).bars == side_by_side({}, kinds) == ()


def test_a_scale_says_in_words_what_it_draws() -> None:
    scale = Scale.of(Inference(probability=0.9, interval=(0.8, 0.95), slice="photo/web", threshold=0.5))
    assert (scale.at, scale.low, scale.high, scale.threshold) == (180, 160, 190, 100)
    assert scale.text == "Probability of AI 0.90, between 0.80 and 0.95 over re-encodings, threshold 0.50"
    assert Scale.of(Inference(probability=0, slice="x")).threshold is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")]
)
def test_times_are_told_in_one_unit(seconds: float, words: str) -> None:
    now = instant("2026-11-26T10:00:00")
    assert span(seconds) == ago(now - timedelta(seconds=seconds), now) == words


def test_numbers_keep_the_digits_that_say_something() -> None:
    told = {None: "–", 0.0: "0.00", 0.001: "0.0010", 0.5: "0.50", 0.999: "0.9990", 1.0: "1.00"}
    assert {value: probability(value) for value in told} == told
    assert [few(value) for value in (64.0, 3.5, 3.0)] == ["64", "3.5", "3"]
