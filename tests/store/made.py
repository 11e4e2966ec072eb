"""Analyses of whole cloth: reports made by hand and saved as the service saves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.base.ids import new_id
from pellucid.records.report import ImageFacts, Model, Report, Verdict
from pellucid.store.analyses import Arrival, add_accepted, set_answered
from pellucid.store.database import writing
from pellucid.store.store import Store

START = datetime(2026, 11, 1, tzinfo=UTC)


def report(minute: int = 0, **fields: Any) -> Report:
    """Made `minute` minutes after START; `fields` are the report's, and `label` the verdict's."""
    created = (START + timedelta(minutes=minute)).isoformat()
    facts = ImageFacts(sha256="0" * 64, format="PNG", width=20, height=20, bytes=9)
    verdict = Verdict(label=fields.pop("label", "unsure"), basis=[], text="Not sure.")
    model = Model(bundle="b@1", channel="production", use="any")
    return Report(**{"id": new_id(), "created": created, "image": facts, "verdict": verdict, "model": model, **fields})


def save(store: Store, *reports: Report, data: bytes | None = None, embedding: NDArray[np.float32] | None = None) -> list[str]:
    """Answered analyses under the reports' own ids and times, each with its own bytes unless given; the ids newest first."""
    for each in reports:
        name = store.objects.put(each.id.encode() if data is None else data)
        kept = each.model_copy(update={"image": each.image.model_copy(update={"sha256": name})})
        with writing(store.database) as connection:
            add_accepted(connection, Arrival(each.id, datetime.fromisoformat(each.created), name, each.source))
            set_answered(connection, kept, embedding)
    return sorted((each.id for each in reports), reverse=True)
