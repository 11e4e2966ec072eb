"""`pellucid train RECIPE --on ray`: a stage as a job of a Ray cluster, its log followed here, its exit status ours.

What travels is the recipe, with whatever lies beside it left out, and this package without the bundle it ships. Libraries are
those of the cluster's image (`pip install 'pellucid[train]'`), and folders (`--out`, `--root`) are read and written by the
nodes: they must lie on storage that all of them see under the same path.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pellucid
from pellucid.base.errors import ConfigError, PellucidError, TrainingFailed
from pellucid.base.ids import new_id
from pellucid.base.settings import PREFIX, read_settings

ENTRYPOINT = "python -m pellucid.train.ray_job"
# 90 MB of encoder, of no use to a stage that trains; Ray carries at most 500 MB.
LEFT_OUT = ["**/defaults/bundle", "**/__pycache__"]
SETTINGS = (f"{PREFIX}TRACKING_URL", f"{PREFIX}LOG_LEVEL", f"{PREFIX}LOG_FORMAT")
WRONGLY_ASKED = 2
ENDS = {"SUCCEEDED": 0, "STOPPED": 1, "FAILED": 1}


def submit(stage: str, recipe: Path, roots: dict[str, Path], out: Path, **options: Any) -> None:
    """Hand `stage` to the cluster at `PELLUCID_RAY_ADDRESS` and write its log to standard output as it comes.

    Raises `ConfigError` where no cluster takes it or the job says so, `TrainingFailed` where it ends badly or is lost.
    """
    from ray.job_submission import JobSubmissionClient

    address = read_settings().ray_address
    job = f"pellucid-{stage}-{recipe.stem}-{new_id()}"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pellucid-") as parcel:
        _pack(Path(parcel), stage, recipe, roots, out, options)
        package = str(Path(pellucid.__file__).parent)
        travels = {"working_dir": parcel, "py_modules": [package], "excludes": LEFT_OUT, "env_vars": _variables()}
        try:
            client = JobSubmissionClient(address)
            client.submit_job(entrypoint=ENTRYPOINT, submission_id=job, runtime_env=travels)
        except (ConnectionError, RuntimeError) as error:
            raise ConfigError(
                f"{PREFIX}RAY_ADDRESS is {address}, and no Ray cluster took the job there ({_first_line(error)}); "
                "start one with `ray start --head`, or train with --on local"
            ) from error
    sys.stdout.write(f"job {job} at {address}; `ray job stop {job}` ends it, Ctrl-C here only stops following\n")
    try:
        status = asyncio.run(_follow(client, job))
    except (ConnectionError, RuntimeError) as error:
        raise TrainingFailed(f"job {job} was lost from sight: {_first_line(error)}") from error
    if status:
        raise (ConfigError if status == WRONGLY_ASKED else TrainingFailed)(f"job {job} ended with status {status}; see its log")


async def _follow(client: Any, job: str) -> int:
    """The exit status of the job, once it has ended."""
    async for lines in client.tail_job_logs(job):
        sys.stdout.write(lines)
        sys.stdout.flush()
    while (info := client.get_job_info(job)).status not in ENDS:
        await asyncio.sleep(0.2)
    status: int = info.driver_exit_code or ENDS[info.status]
    return status


def _pack(parcel: Path, stage: str, recipe: Path, roots: dict[str, Path], out: Path, options: dict[str, Any]) -> None:
    """The recipe under its own name, so that its mistakes are told with it, and `job.json`, which `main` reads."""
    shutil.copyfile(recipe, parcel / recipe.name)
    folders = {name: str(folder.resolve()) for name, folder in roots.items()}
    job = {"stage": stage, "recipe": recipe.name, "roots": folders, "out": str(out.resolve()), "options": options}
    (parcel / "job.json").write_text(json.dumps(job))


def _variables() -> dict[str, str]:
    """Our settings that travel; and lines of several workers that differ in a number only are all shown."""
    return {"RAY_DEDUP_LOGS": "0"} | {name: os.environ[name] for name in SETTINGS if name in os.environ}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def main() -> int:
    """What the cluster runs, in the folder that was packed."""
    job = json.loads(Path("job.json").read_text())
    recipe, out = Path(job["recipe"]), Path(job["out"])
    roots = {name: Path(folder) for name, folder in job["roots"].items()}
    try:
        made = _run(job["stage"], recipe, roots, out, job["options"])
    except PellucidError as error:
        sys.stderr.write(f"{error.code}: {error.detail}\n")
        return WRONGLY_ASKED if isinstance(error, ConfigError) else 1
    sys.stdout.write(f"{made}\n")
    return 0


def _run(stage: str, recipe: Path, roots: dict[str, Path], out: Path, options: dict[str, Any]) -> Path:
    if stage == "tune":
        from pellucid.train.tune import tune

        return tune(recipe, out, **options)
    from pellucid.train.ray_train import launch_on_ray
    from pellucid.train.run import train

    return train(recipe, roots, out, partial(launch_on_ray, out=out))


if __name__ == "__main__":
    sys.exit(main())
