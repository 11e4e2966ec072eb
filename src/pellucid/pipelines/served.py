"""A bundle as MLflow runs it: pictures in, reports out, without torch.

MLflow keeps this file's text beside the bundle and runs it when the model is loaded ("models from code"): nothing is pickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from pellucid.analyse.analyser import Analyser
from pellucid.analyse.policy import load_policy
from pellucid.base.errors import PellucidError
from pellucid.runtime.bundle import LoadedBundle


class ServedBundle(PythonModel):  # type: ignore[misc]
    """Column `image` holds files as bytes; the answer's column `report` one JSON report each, or one with `problem`."""

    def load_context(self, context: PythonModelContext) -> None:
        self.analyser = Analyser(LoadedBundle.open(Path(context.artifacts["bundle"])), load_policy())

    def predict(self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        return pd.DataFrame({"report": [self._answer(bytes(content)) for content in model_input["image"]]})

    def _answer(self, content: bytes) -> str:
        try:
            return self.analyser.analyse(content).report.model_dump_json()
        except PellucidError as error:
            return json.dumps({"problem": {"code": error.code, "title": error.title, "detail": error.detail}})


set_model(ServedBundle())
