"""The same workers under Ray Train, which finds them places in a cluster and starts them again when one is lost.

What they go on from are our own states (`states.py`), which are whole or absent, and not Ray's checkpoints, of which several
workers can leave a part (ray #41700). So each start is a new Ray run, and `out` must be a folder that every node sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from pellucid.base.errors import PellucidError, TrainingFailed
from pellucid.base.ids import new_id
from pellucid.base.logs import configure_logs
from pellucid.base.settings import read_settings
from pellucid.train.distribution import Distribution, Task, announce, join_group, result_of
from pellucid.train.workers import Alone


def launch_on_ray(task: Task, distribution: Distribution, out: Path) -> Path:
    """Run `task` in workers of the Ray cluster this process is connected to, or starts. Raises what the task raised.

    Raises `TrainingFailed` where workers were lost more often than `retries` allows.
    """
    trainer: Any = TorchTrainer(
        _work,  # type: ignore[arg-type]  # what a worker returns comes back as `return_value`
        train_loop_config={"task": task, "distribution": distribution},
        torch_config=TorchConfig(backend=distribution.backend),
        scaling_config=ScalingConfig(num_workers=distribution.workers, use_gpu=distribution.gpu),
        run_config=RunConfig(
            name=new_id(), storage_path=str(out / "ray"), failure_config=FailureConfig(max_failures=distribution.retries)
        ),
    )
    try:
        result = trainer.fit()
    except TrainingFailedError as error:
        raise TrainingFailed(str(error).strip()) from error
    return result_of(result.return_value)


def _work(config: dict[str, Any]) -> Path | PellucidError:
    """One worker. Errors of ours are handed back: trying again would not help."""
    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format == "json")
    task, distribution = config["task"], config["distribution"]
    try:
        if distribution.strategy == "plain":
            announce(0, 1)
            made: Path = task(Alone(str(get_device())))
        else:
            made = task(join_group(distribution, get_device()))
    except PellucidError as error:
        return error
    return made
