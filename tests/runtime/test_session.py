"""Sessions asked by several threads from the first moment on, and by one again and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.runtime.session import BackEnd, open_session
from tests.tiny_bundle import make_tiny_bundle

# In a process of its own: what is looked up once is looked up there for the first time, and what waits for ever can be ended.
FIRST_AT_ONE_TIME = """
import sys, threading
from pathlib import Path
import numpy as np
from pellucid.runtime.session import open_session
session = open_session(Path(sys.argv[1]), "openvino", 1)
sys.setswitchinterval(1e-6)
together = threading.Barrier(6)
def ask():
    together.wait()
    session.run({session.inputs[0]: np.zeros((1, 3, 224, 224), np.float32)})
threads = [threading.Thread(target=ask) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("answered")
"""


def test_the_first_questions_may_come_at_one_time(tmp_path: Path, repository: Path) -> None:
    """They waited for each other for ever: OpenVINO's binding looks NumPy up once, and a thread held what the other needed."""
    make_tiny_bundle(tmp_path)
    command = [sys.executable, "-c", FIRST_AT_ONE_TIME, str(tmp_path / "encoder.onnx")]
    for _ in range(3):
        done = subprocess.run(command, cwd=repository / "src", capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "answered\n", done.stderr


@pytest.mark.parametrize("back_end", ["openvino", "onnxruntime"])
def test_an_answer_stays_what_it_was_when_the_thread_asks_again(tmp_path: Path, back_end: BackEnd) -> None:
    make_tiny_bundle(tmp_path)
    session = open_session(tmp_path / "encoder.onnx", back_end, 1)
    draw = np.random.default_rng(0)
    one, other = (draw.normal(size=(1, 3, 224, 224)).astype(np.float32) for _ in range(2))
    first = session.run({session.inputs[0]: one})
    kept = {name: array.copy() for name, array in first.items()}
    session.run({session.inputs[0]: other})
    assert all(np.array_equal(first[name], kept[name]) for name in kept)
