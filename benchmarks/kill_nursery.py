"""Forks servers for `benchmarks/kills.py`: imports the service once, then becomes a new one for every line it reads."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    # All that a server imports late as well, so that a fork has it; nothing of it starts a thread.
    from pellucid.app import create_app
    from pellucid.base.settings import read_settings
    from pellucid.serve.server import run

    # The dead are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        process = os.fork()
        if process == 0:
            settings = read_settings()
            run(create_app(settings), settings, announce=lambda _: None)
            os._exit(0)
        print(process, flush=True)


if __name__ == "__main__":
    main()
