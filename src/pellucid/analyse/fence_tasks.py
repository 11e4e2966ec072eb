"""What the workers behind the fence can be asked: everything that parses a stranger's bytes (`fenced.py` asks it).

Imported by the nursery before it forks; no model runtime, no store, no settings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from PIL import Image

from pellucid.analyse.claims import read_claims
from pellucid.analyse.credentials import Records
from pellucid.analyse.derive import Deriver
from pellucid.analyse.signer import DistantSigner, Signer
from pellucid.base.fence_worker import Call, Task
from pellucid.base.pixels import Limits, decode_pixels
from pellucid.records.derivative import Label, Wanted

# The anchors that were asked for last, by their SHA-256; a worker has one thread.
_held: dict[str, Records] = {}


def decode(call: Call) -> dict[str, Any]:
    """Pixels as a PPM, alpha as a PGM after it: written from PIL's memory as they are."""
    limits = Limits(*call.fields["limits"])
    image, alpha, notes = decode_pixels(call.data, call.fields["format"], limits)
    image.info.clear()
    for plane in (image, alpha):
        if plane is not None:
            plane.save(call.out, "PPM")
    return {"width": image.width, "height": image.height, "alpha": alpha.size if alpha else None, "notes": notes}


def claims(call: Call) -> dict[str, Any]:
    return {"evidence": [piece.model_dump() for piece in read_claims(call.data, call.fields["format"])]}


def records(call: Call) -> dict[str, Any]:
    return {"evidence": [piece.model_dump() for piece in _records(call).read(call.data, call.fields["format"])]}


def derive(call: Call) -> dict[str, Any]:
    fields = call.fields
    deriver = Deriver(_records(call), _signer(call), Limits(*fields["limits"]), fields["propagator"])
    label = fields["label"] and Label(**{**fields["label"], "basis": tuple(fields["label"]["basis"])})
    made = deriver.derive(call.data, Wanted(**fields["wanted"]), label)
    call.out.write(made.data)
    return {
        "length": len(made.data), "format": made.format, "width": made.width, "height": made.height, "signed": made.signed,
        "credentials": made.credentials, "says": made.says,
    }  # fmt: skip


TASKS: Mapping[str, Task] = {"decode": decode, "claims": claims, "records": records, "derive": derive}


def _records(call: Call) -> Records:
    """By the trust anchors of now, which are asked for where they are not those of the last time."""
    name = call.fields["anchors"]
    if name not in _held:
        anchors = call.ask("anchors", b"")
        assert hashlib.sha256(anchors).hexdigest() == name
        _held.clear()
        _held[name] = Records(anchors.decode())
    return _held[name]


def _signer(call: Call) -> Signer | None:
    """The key stays with the service."""
    if (signer := call.fields["signer"]) is None:
        return None
    return DistantSigner(
        signer["algorithm"].encode(), signer["certificates"].encode(), b"", signer["timestamps"], partial(call.ask, "sign")
    )


# PIL finds out which formats there are when it is first asked; the nursery does it once for all workers.
Image.preinit()
Image.init()
