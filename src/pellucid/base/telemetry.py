"""No library reports to its maker that we run, on what, and from which folder: for before the first import of any of them.

ONNX Runtime (1.32, on Linux) and OpenVINO send events when they are imported and keep an id in the home, MLflow and Ray when they
begin. Nobody asked the site. What a site sets itself stays (docs/adr/0020-no-telemetry.md).
"""

from __future__ import annotations

import os
import sys

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# OpenVINO and NNCF have no switch; where this package cannot be imported they do without.
WITHOUT = "openvino_telemetry"


def switch_off_telemetry() -> None:
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    sys.modules.setdefault(WITHOUT, None)  # type: ignore[arg-type]
