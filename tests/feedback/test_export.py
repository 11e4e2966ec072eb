"""Rulings come back as labels that `ingest` reads and as the bank that the gate reads."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from pellucid.feedback.export import Exported, export_rulings
from pellucid.ingest.readers import read
from pellucid.ingest.recipe import Source
from pellucid.store.store import Store
from tests.feedback.conftest import FAKE, REAL, rule, upload
from tests.pictures import jpeg, png


def store_of(client: TestClient) -> Store:
    return client.app.state.desk.store  # type: ignore[attr-defined, no-any-return]


def test_what_was_ruled_is_read_by_ingest_and_by_the_gate(client: TestClient, tmp_path: Path) -> None:
    from pellucid.evaluate.gate_bank import read_bank
    from pellucid.records.recipe import load_recipe

    real, fake = upload(client, png(seed=1))["id"], upload(client, jpeg(seed=2))["id"]
    upload(client, png(seed=3))
    rule(client, real, FAKE), rule(client, real, REAL), rule(client, fake, {"verdict": "edited", "reason": "A new sky."})
    assert export_rulings(store_of(client), tmp_path) == Exported(labels=2, gone=0)

    recipe = tmp_path / "source.toml"
    recipe.write_text(
        'root = "rulings"\nreader = "csv"\nmanifest = "labels.csv"\n'
        'constants = { split = "online" }\n'
        'columns = { path = "path", label = "label", sha256 = "sha256", origin = "origin", declared = "verdict" }\n'
    )
    rows = read(load_recipe(recipe, Source), tmp_path)
    assert {(row.path, row.label, row.declared, row.split) for row in rows} == {
        (f"pictures/{real}.png", "real", "no_ai_found", "online"),
        (f"pictures/{fake}.jpg", "ai", "edited", "online"),
    }
    assert (tmp_path / f"pictures/{real}.png").read_bytes() == png(seed=1)
    assert [(each.id, each.verdict) for each in read_bank(tmp_path / "rulings.jsonl")] == [
        (real, "no_ai_found"),
        (fake, "edited"),
    ]


def test_a_picture_that_is_gone_is_counted_and_left_out(client: TestClient, tmp_path: Path) -> None:
    report = upload(client)
    rule(client, report["id"], REAL)
    store_of(client).objects.delete(report["image"]["sha256"])
    assert export_rulings(store_of(client), tmp_path) == Exported(labels=0, gone=1)
    assert (tmp_path / "labels.csv").read_text().splitlines() == ["path,label,sha256,origin,verdict"]


def test_what_was_inherited_is_not_a_second_label(client: TestClient, tmp_path: Path) -> None:
    rule(client, upload(client, png(640, 480))["id"], REAL)
    upload(client, png(640, 480))
    assert export_rulings(store_of(client), tmp_path).labels == 1
