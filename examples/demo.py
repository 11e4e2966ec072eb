"""A fresh Pellucid with something in it: `make demo` fills it through the real API and leaves it running.

    python -m examples.demo                  port 8000, data in runs/demo, until Ctrl-C
    python -m examples.demo --keep           the data of the last run again, nothing added
    python -m examples.demo --once           fill and end

Everything goes through `pellucid.client` with the keys of two platforms and two moderators; the database is not touched. So all
of it happened in the minute that it took: the API lets nobody set the time, and neither does the demo. Settings of the
environment (PELLUCID_…) are left aside, so that no database but the demo's own is written to.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.demo_cast import KNOWN_SEED, RECOURSE, WATCHED_SEED, Said, Sent, bank_of, cast, crowd, encores
from examples.demo_pictures import landscape, pattern
from examples.demo_signing import Authority
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import pellucid
from pellucid.base.settings import shipped
from pellucid.client import ApiError, Client
from pellucid.records.report import Report

MARKER = ".pellucid-demo"
KEYS = "keys.txt"
ACCOUNT = "account.txt"
MODERATOR = "dana"
SENDERS = 3
# How long models may load on a slow machine.
START_S = 180.0
STOP_S = 60.0
AI_RULE = """[[rules]]
name = "ai_is_labelled"
decision = "limit"
reason = "On this site AI is shown behind a click. A rule of the demo's own policy."
[rules.when]
all = [{ verdict = ["generated", "edited"] }]

"""
PELLUCID = (sys.executable, "-c", "from pellucid.cli import main; main()")
ROLES = {"admin": "administrator", "photo-app": "platform", "print-shop": "platform", "mo": "moderator", "kim": "moderator"}

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class People:
    """A client for each key."""

    of: dict[str, Client]

    def __getitem__(self, name: str) -> Client:
        return self.of[name]


def main() -> int:
    asked = arguments()
    # So that the service ends with us, however we are asked to, and where a shell has us ignore Ctrl-C.
    for how in (signal.SIGINT, signal.SIGTERM):
        signal.signal(how, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("PELLUCID_")]:
        del os.environ[name]
    folder = asked.out / "demo"
    trusted, stranger = Authority("Demo cameras"), Authority("Somebody")
    if not asked.keep:
        prepare(folder, trusted)
    elif not (folder / MARKER).exists():
        console.print(f"there is no demo in {folder}; run it once without --keep")
        return 2
    with service(folder, asked.port) as url:
        if url is None:
            return 1
        if not asked.keep:
            fill(url, folder, asked.pictures, trusted, stranger)
        what_to_look_at(url, folder)
        if not asked.once:
            console.print("\nCtrl-C stops it. The data stay until the next `make demo`; `make demo KEEP=1` shows them again.")
            wait_for_ctrl_c()
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A fresh Pellucid with something in it.")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="the data go into OUT/demo, which is made anew")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--pictures", type=int, default=24, help="pictures beside those that play a part")
    parser.add_argument("--keep", action="store_true", help="serve what the last run left, and add nothing")
    parser.add_argument("--once", action="store_true", help="fill and end")
    return parser.parse_args()


def prepare(folder: Path, trusted: Authority) -> None:
    """An empty folder with the demo's policy and trust list. Only a folder that a demo has made is removed."""
    if folder.exists() and not (folder / MARKER).exists():
        sys.exit(f"{folder} is there and no demo made it; move it away, or name another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "trust").mkdir(parents=True)
    (folder / MARKER).write_text("Made by examples/demo.py, which removes this folder when it starts anew.\n")
    policy = (shipped("policies") / "moderation.toml").read_text().replace('name = "moderation"', 'name = "demo"', 1)
    (folder / "policy.toml").write_text(policy.replace('[[rules]]\nname = "default"', f'{AI_RULE}[[rules]]\nname = "default"'))
    for path in shipped("trust").glob("*.pem"):
        shutil.copy(path, folder / "trust")
    (folder / "trust" / "demo.pem").write_bytes(trusted.pem)


@contextmanager
def service(folder: Path, port: int) -> Iterator[str | None]:
    """The address of a service in a process of its own; None where it did not start, and why is on the screen."""
    files = {"PELLUCID_TRUST_LIST": str(folder / "trust"), "PELLUCID_POLICY": str(folder / "policy.toml")}
    ours = os.environ | files | {"PYTHONPATH": our_path()}
    where = ["--port", str(port), "--data", str(folder / "data")]
    command = [*PELLUCID, "serve", *where]
    # In a session of its own, so that Ctrl-C reaches it through us, once.
    with (folder / "service.log").open("w") as log:
        process = subprocess.Popen(command, env=ours, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if "http" not in greeting:
            console.print((folder / "service.log").read_text().strip())
            yield None
        else:
            yield greeting.split()[-1]
    finally:
        stop(process)


def our_path() -> str:
    """Where a process of ours finds the package that this one runs."""
    source = str(Path(pellucid.__file__).parents[1])
    return os.pathsep.join(path for path in (source, os.environ.get("PYTHONPATH", "")) if path)


def stop(process: subprocess.Popen[str]) -> None:
    """It answers what it has accepted; what takes longer than that is ended."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def fill(url: str, folder: Path, count: int, trusted: Authority, stranger: Authority) -> None:
    people = accounts(url, folder)
    admin = people["admin"]
    admin.admin.put_bank("demo-known", bank_of(landscape(KNOWN_SEED)), action="block", reason="On the list of the demo.")
    admin.admin.put_bank("demo-watched", bank_of(pattern(WATCHED_SEED)), action="review", reason="Somebody wants to see these.")
    bar = Progress(TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console)
    with bar:
        everyone = [*cast(trusted, stranger), *crowd(count)]
        sending = bar.add_task("pictures", total=len(everyone) + 3)
        speaking = bar.add_task("flags, appeals, rulings", total=len(RECOURSE))
        reports: dict[str, Report] = {}

        def send(one: Sent) -> None:
            sender = people["print-shop" if one.name.endswith(".webp") else "photo-app"]
            if one.later:
                reports[one.name] = sender.wait(sender.analyse(one.data, declared=one.declared, name=one.name, later=True))
            else:
                reports[one.name] = sender.analyse(one.data, declared=one.declared, name=one.name)
            bar.advance(sending)

        send(everyone[0])
        at_once(send, everyone[1:])
        for said in RECOURSE:
            say(people, said, reports[said.name].id)
            bar.advance(speaking)
        for one in encores(landscape(2)):
            send(one)


def at_once(send: Callable[[Sent], None], everyone: Sequence[Sent]) -> None:
    """Several at one time; the first mistake, and Ctrl-C, end it."""
    with ThreadPoolExecutor(SENDERS) as senders:
        try:
            list(senders.map(send, everyone))
        except BaseException:
            senders.shutdown(cancel_futures=True)
            raise


def accounts(url: str, folder: Path) -> People:
    """The first key is made while nobody is asked for one; it closes that door, and makes the others."""
    with Client(url) as nobody:
        keys = {"admin": nobody.admin.make_key("admin", role=ROLES["admin"]).key}
    admin = Client(url, keys["admin"], timeout_s=START_S)
    keys |= {name: admin.admin.make_key(name, role=role).key for name, role in ROLES.items() if name != "admin"}
    keep_secret(folder / KEYS, "".join(f"{name:10} {ROLES[name]:14} {key}\n" for name, key in keys.items()))
    make_moderator(folder)
    return People({name: Client(url, key, timeout_s=START_S) for name, key in keys.items()})


def make_moderator(folder: Path) -> None:
    """Who may sign in to the console; the password comes on standard input, as in `docs/signing-in.md`."""
    password = secrets.token_urlsafe(12)
    command = [*PELLUCID, "accounts", "create", MODERATOR, "--password-stdin", "--data", str(folder / "data")]
    path = os.environ | {"PYTHONPATH": our_path()}
    subprocess.run(command, env=path, input=f"{password}\n", text=True, check=True, stdout=subprocess.DEVNULL)
    keep_secret(folder / ACCOUNT, password)


def keep_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def say(people: People, said: Said, analysis: str) -> None:
    if said.flag:
        people["photo-app"].flag(analysis, *said.flag, actor="user-17")
    if said.appeal:
        people["photo-app"].appeal(analysis, said.appeal, actor="uploader-4")
    if said.ruling:
        verdict, reason, reply = said.ruling
        people[said.moderator].rule(analysis, verdict, reason, reply=reply)


def what_to_look_at(url: str, folder: Path) -> None:
    key = (folder / KEYS).read_text().split()[2]
    with Client(url, key, timeout_s=START_S) as admin:
        reports = list(admin.list())
        measured, waiting = admin.transparency(), admin.waiting()
    by_name = {report.source: report for report in reversed(reports)}
    verdicts = Counter(f"{report.verdict.label} ({'+'.join(report.verdict.basis) or 'nothing'})" for report in reports)
    table = Table(box=None, header_style="bold")
    for title in ("pictures", "verdict and what decided"):
        table.add_column(title, justify="right" if title == "pictures" else "left")
    for verdict, count in verdicts.most_common():
        table.add_row(str(count), verdict)
    console.print(f"\n{len(reports)} pictures at {url}, data in {folder}", style="bold")
    console.print(table)
    console.print(f"queue: {', '.join(f'{count} {why}' for why, count in waiting.items())}")
    console.print(f"appeals: {', '.join(f'{count} {result}' for result, count in measured.appeals.items())}")
    console.print("\nWhat to look at", style="bold")
    console.print(f"  {url}/console   the moderators' console: sign in as {MODERATOR} with {(folder / ACCOUNT).read_text()}")
    console.print(f"  {url}/docs      every call, to be tried: press Authorize and give a key of {folder / KEYS}")
    for name, why in (
        ("press.jpg", "a signed record decides, whatever the pixels say"),
        ("sunrise-again.jpg", "cleared by a ruling, so not accused again"),
        ("sunrise-poster.png", "changed since, so a moderator looks again"),
        ("on-the-list-mirrored.jpg", "blocked by a hash bank, though mirrored"),
    ):
        if report := by_name.get(name):
            console.print(f"  {name:26} {report.verdict.label:12} {why}\n    {url}/console/cases/{report.id}")
    console.print(f"  curl -H \"Authorization: Bearer $(awk '/^admin/ {{print $3}}' {folder / KEYS})\" {url}/v1/transparency")


def wait_for_ctrl_c() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("\nstopping")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\nstopped before it was filled")
        sys.exit(130)
    except ApiError as error:
        console.print(f"the service said no: {error}")
        sys.exit(1)
