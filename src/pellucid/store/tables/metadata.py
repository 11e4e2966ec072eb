"""The one METADATA that every table of the database stands on; migrations are checked against it."""

from __future__ import annotations

from sqlalchemy import MetaData

METADATA = MetaData()

# A column with this `info` holds the name of an object; the object goes when no such column names it any more.
OBJECT = {"object": True}


def erased_with_analysis(column: str) -> dict[str, str]:
    """`info` of a table whose rows go when the analysis that `column` names is deleted (store/deletion.py)."""
    return {"erased_by": column}
