"""Qwen2-VL's way at toy size, end to end: learn, go on after a power cut, be served, compared, and answer in a report."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("peft", reason="training needs the extra `train`")

import torch
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from pellucid.app_engine import open_engine
from pellucid.base.errors import ConfigError, DataError, DescriberError
from pellucid.base.settings import read_settings
from pellucid.evaluate.run import run as evaluate
from pellucid.nets.qwen2vl import add_lora, open_base, put_adapter
from pellucid.nets.qwen2vl_chat import NOT_LEARNED, answer_loss, batch, reply, turn
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.evaluation import read_evaluation
from pellucid.records.recipe import load_recipe
from pellucid.runtime.chat import ChatEndpoint
from pellucid.train.describe_server import create_chat
from pellucid.train.qwen2vl import Trained, examples, open_trained, run_qwen2vl
from pellucid.train.qwen2vl_recipe import Qwen2vlRecipe
from pellucid.train.run import run as train
from pellucid.train.workers import Alone
from tests.pictures import saved
from tests.tiny_bundle import make_tiny_bundle

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "white": (250, 250, 250)}
RECIPES = Path(__file__).parents[2] / "src" / "pellucid" / "defaults" / "recipes"
QUESTION = "Describe the picture in one sentence."

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def dataset(out: Path) -> Dataset:
    """Eight plain pictures of four colours to train on, and one of each to choose by."""
    folder = out / "pictures"
    folder.mkdir(parents=True)
    samples = []
    for number, (name, colour) in enumerate([*COLOURS.items()] * 3):
        (folder / f"{number}.png").write_bytes(saved(Image.new("RGB", (64, 64), colour), "PNG"))
        captions = (f"A {name} square.", f"It is {name}.")
        split = "train" if number < 8 else "val"
        samples.append(
            Sample(
                f"{number:016x}", "pictures", f"{number}.png", "-", split, "made", "CC0-1.0", captions=captions, objects=("dog",)
            )
        )
    made = Dataset(tuple(samples), {"pictures": str(folder)})
    write_dataset(made, out / "data" / "caption-data-smoke")
    return made


def recipe(**change: object) -> Qwen2vlRecipe:
    shipped = load_recipe(RECIPES / "qwen2vl-smoke.toml", Qwen2vlRecipe)
    return Qwen2vlRecipe.model_validate(shipped.model_dump() | change)


def short() -> Qwen2vlRecipe:
    """Two epochs of two steps, with everything on that draws random numbers."""
    shipped = recipe()
    lora = shipped.lora.model_dump() | {"dropout": 0.2}
    plan = shipped.optimiser.model_dump() | {"epochs": 2, "average": 0.9, "precision": "bf16"}
    return recipe(name="short", lora=lora, optimiser=plan, keep_every=1, val_pictures=0)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    dataset(folder)
    return folder


@pytest.fixture(scope="module")
def trained(out: Path) -> Trained:
    """What `pellucid train qwen2vl-smoke.toml` makes of the pictures."""
    return open_trained(train(RECIPES / "qwen2vl-smoke.toml", {}, out), {})


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    """The trained model behind a real socket."""
    config = uvicorn.Config(create_chat(trained), "127.0.0.1", 0, log_config=None)
    socket = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join(30)


def picture(name: str) -> Image.Image:
    return Image.new("RGB", (64, 64), COLOURS[name])


def test_only_the_answers_tokens_are_learned(trained: Trained) -> None:
    one = turn(trained.base, picture("red"), QUESTION, '{"caption": "A red square."}')
    other = turn(trained.base, picture("blue"), QUESTION, "short")
    inputs, labels = batch(trained.base, [one, other])
    taught = [trained.base.tokenizer.decode(row[row != NOT_LEARNED]) for row in labels]
    assert taught == ['{"caption": "A red square."}<|im_end|>', "short<|im_end|>"]
    assert (inputs["mm_token_type_ids"].sum(dim=1) == inputs["image_grid_thw"].prod(dim=1) // 4).all()
    asked = trained.base.tokenizer.decode(inputs["input_ids"][1][inputs["attention_mask"][1].bool()])
    assert asked == (
        "<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * 4 + f"<|vision_end|>{QUESTION}<|im_end|>\n"
        "<|im_start|>assistant\nshort<|im_end|>"
    )


@torch.no_grad()
def test_the_loss_of_a_batch_is_the_mean_over_its_answers_whatever_their_length(trained: Trained) -> None:
    turns = [turn(trained.base, picture(name), QUESTION, f"{name} " * (1 + place)) for place, name in enumerate(COLOURS)]
    whole = float(answer_loss(trained.model, *batch(trained.base, turns)))
    alone = [float(answer_loss(trained.model, *batch(trained.base, [one]))) for one in turns]
    assert whole == pytest.approx(sum(alone) / len(alone), rel=1e-4)


def test_has_learned_and_keeps_nothing_but_the_adapter(trained: Trained, out: Path) -> None:
    found = read_checkpoint(out / "checkpoints" / "qwen2vl-smoke", "qwen2vl")
    assert found.origin.metrics["val_loss"] < 0.2
    assert all("lora_" in name for name in found.weights)
    assert {path.name for path in (out / "checkpoints" / "qwen2vl-smoke" / "adapter").iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


class PowerCut(Exception):
    pass


class CutOff(Alone):
    """The process ends right after its third state was written."""

    kept = 0

    def wait(self) -> None:
        self.kept += 1
        if self.kept == 3:
            raise PowerCut


def test_a_run_that_was_cut_off_ends_with_the_same_weights(out: Path, tmp_path: Path) -> None:
    data = {"data": out / "data"}
    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").symlink_to(data["data"])
    whole = run_qwen2vl(short(), {}, tmp_path / "whole")
    with pytest.raises(PowerCut):
        run_qwen2vl(short(), {}, tmp_path / "part", CutOff())
    part = tmp_path / "part" / "checkpoints" / "short"
    assert not (part / "checkpoint.json").exists()
    # A state that was being written when the power went has no checkpoint.json yet, and is passed over.
    (part / "state-00000099").mkdir()
    assert run_qwen2vl(short(), {}, tmp_path / "part") == part
    one, other = read_checkpoint(whole).weights, read_checkpoint(part).weights
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert any(np.abs(array).max() > 0 for name, array in one.items() if "lora_B" in name)


def test_refuses_another_base_and_weights_that_do_not_fit(trained: Trained, out: Path, tmp_path: Path) -> None:
    folder = out / "checkpoints" / "qwen2vl-smoke"
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in folder.glob("*.*"):
        (moved / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="cannot be opened as Qwen2-VL"):
        open_trained(moved, {})
    # `short` has made its base from the same texts by another seed here.
    run_qwen2vl(recipe(name="other", seed=2, optimiser=short().optimiser.model_dump() | {"epochs": 1}), {}, out)
    (moved / "base").symlink_to(out / "checkpoints" / "other" / "base")
    with pytest.raises(DataError, match="was trained on base"):
        open_trained(moved, {})
    with pytest.raises(DataError, match="do not fit its recipe"):
        put_adapter(trained.model, {"one": np.zeros(1, np.float32)})


@torch.no_grad()
def test_a_new_adapter_changes_no_answer(trained: Trained, out: Path) -> None:
    """LoRA begins as nothing: with B at zero the model says what its base says."""
    bare = open_base(out / "checkpoints" / "qwen2vl-smoke" / "base", None, torch.float32, (3136, 3136))
    asked = [turn(trained.base, picture("red"), QUESTION, "x")]
    before = float(answer_loss(bare.model, *batch(bare, asked)))
    added = add_lora(bare, recipe().lora.lora(), 5).eval()
    assert float(answer_loss(added, *batch(bare, asked))) == pytest.approx(before, rel=1e-5)


def test_lessons_are_what_people_wrote_and_the_labels_as_tags(out: Path) -> None:
    lessons = recipe(lessons=[{"prompt": "caption@2", "per_picture": 2}, {"prompt": "tags@1"}])
    some = dataset(out / "again").only("val")
    found = [example.answer for example in examples(lessons, replace(some, samples=some.samples[:1]))]
    assert found == ['{"caption": "A red square."}', '{"caption": "It is red."}', '{"tags": ["dog"]}']
    with pytest.raises(ConfigError, match="moderation@1 asks for moderation"):
        examples(recipe(lessons=[{"prompt": "moderation@1"}]), some)


def test_the_server_answers_as_the_protocol_says(trained: Trained) -> None:
    client = TestClient(create_chat(trained))
    assert client.get("/v1/models").json()["data"][0]["id"] == "qwen2vl-smoke"
    url = {"url": "data:image/png;base64,AAAA"}
    message = {"role": "user", "content": [{"type": "image_url", "image_url": url}, {"type": "text", "text": "?"}]}
    asked = {"model": "qwen2vl-smoke", "messages": [message]}
    assert client.post("/v1/chat/completions", json=asked | {"model": "other"}).status_code == 404
    assert client.post("/v1/chat/completions", json=asked).status_code == 400
    url["url"] = "http://127.0.0.1:1/never-fetched.png"
    assert "not fetched" in client.post("/v1/chat/completions", json=asked).json()["detail"]
    assert client.post("/v1/chat/completions", json=asked | {"temperature": 1}).status_code == 422


def test_probabilities_belong_to_the_text(trained: Trained) -> None:
    said, whole = reply(trained.base, trained.model, picture("red"), "A naïve café?", 12)
    assert b"".join(token.text for token in said.tokens).decode("utf-8", "replace") == said.text
    assert all(-math.inf < token.log_probability <= 0 for token in said.tokens)
    assert len(said.tokens) == 12 or whole


def test_the_caption_of_a_report_comes_from_the_describer(address: str, tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    (tmp_path / "policy.toml").write_text(
        'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'
    )
    settings = read_settings(
        bundle=tmp_path / "bundle", policy=tmp_path / "policy.toml", describer_url=address, describer_model="qwen2vl-smoke",
        describer_timeout_s=60,
    )  # fmt: skip
    engine = open_engine(settings)
    try:
        report = engine.analyser.analyse(saved(picture("blue"), "PNG")).report
    finally:
        engine.close()
    assert report.caption is not None, report.missing
    assert report.caption.text == "A blue square."
    assert report.caption.score is not None
    assert report.caption.score > 0.5
    assert report.model.describer == "qwen2vl-smoke caption@1"
    assert report.moderation is not None
    assert report.moderation.decision == "allow"


def test_an_answer_that_is_cut_is_our_error(address: str) -> None:
    with pytest.raises(DescriberError, match="cut at 2 tokens"):
        ChatEndpoint(address, "qwen2vl-smoke", timeout_s=60).ask(QUESTION, saved(picture("red"), "JPEG"), 2)


def test_prompts_are_compared_on_the_same_pictures(
    address: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("PELLUCID_DESCRIBER_URL", address)
    monkeypatch.setenv("PELLUCID_DESCRIBER_MODEL", "qwen2vl-smoke")
    monkeypatch.setenv("PELLUCID_DESCRIBER_TIMEOUT_S", "60")
    other = tmp_path / "tags.toml"
    other.write_text('name = "short-tags"\nversion = 3\npart = "tags"\nmax_tokens = 4\ntext = "Tags as JSON, please."\n')
    asked = tmp_path / "prompts.toml"
    asked.write_text(
        'kind = "prompts"\nname = "prompts"\ndataset = "caption-data-smoke"\nsources = [["made", "val"]]\n'
        f'prompts = ["caption@1", "{other}"]\npictures = 3\n'
    )
    record = read_evaluation(evaluate(asked, {}, out) / "evaluation.json")
    found = record.sections["prompts"]
    assert list(found) == ["caption@1", "short-tags@3", "one human"]
    assert (found["caption@1"]["read"], found["caption@1"]["pictures"]) == (3, 3)
    assert found["caption@1"]["cider"] > 1
    assert (found["short-tags@3"]["read"], found["short-tags@3"]["recall"]) == (0, 0)
    assert sum(found["short-tags@3"]["problems"].values()) == 3
    assert "caption@1" in capsys.readouterr().out
    assert record.bundle == "describer qwen2vl-smoke caption@1 short-tags@3"
    asked.write_text(asked.read_text().replace("val", "test"))
    with pytest.raises(ConfigError, match="test is reserved"):
        evaluate(asked, {}, out)


@pytest.mark.parametrize("name", ["qwen2vl-coco", "qwen2vl-smoke"])
def test_shipped_recipes_can_be_read(name: str) -> None:
    found = load_recipe(RECIPES / f"{name}.toml", Qwen2vlRecipe)
    assert all(target.endswith("_proj") for target in found.lora.targets)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({}, "either `name` or a table `made`"),
        ({"name": "a", "made": {}}, "either `name` or a table `made`"),
        ({"made": {"width": 40}}, "multiples of 16"),
    ],
)
def test_weights_are_one_thing_that_fits(weights: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        recipe(weights=weights)


def test_a_root_that_was_not_given_is_asked_for(out: Path) -> None:
    with pytest.raises(ConfigError, match="add --root weights=FOLDER"):
        run_qwen2vl(recipe(name="rooted", weights={"name": "weights:qwen"}), {}, out)
