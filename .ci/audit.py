"""Are there known vulnerabilities in what constraints.txt pins? Asked of a database on the network, by pip-audit (Apache-2.0).

    make audit            exit status 0: asked of every pin, and none is known
                                      1: some are known; they are listed
                                      3: could not be asked, of all or of some

pip-audit ends with 0 where an index knows none of the packages (an internal mirror, as a rule): each is skipped and nothing is
said to be wrong. Here that is no pass: a pin that nobody was asked of is counted, and the status is 3.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "constraints.txt"
NOTHING_KNOWN, SOME_KNOWN, NOT_ASKED = 0, 1, 3
MOST_NAMED = 5


def main(arguments: list[str]) -> int:
    """`arguments` go to pip-audit, as `--vulnerability-service osv`."""
    asked = ["--requirement", str(PINS), "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", *asked, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines()
        print(f"could not be asked: {said[-1] if said else f'pip-audit ended with status {done.returncode}'}")
        return NOT_ASKED
    return told(found, pins())


def pins() -> int:
    return sum("==" in line and not line.startswith("#") for line in PINS.read_text().splitlines())


def told(found: list[dict[str, Any]], expected: int) -> int:
    """Print what was found, and the exit status of it."""
    skipped = [each["name"] for each in found if "vulns" not in each]
    known = [(each, one) for each in found for one in each.get("vulns", ())]
    for each, one in known:
        mended = ", ".join(one.get("fix_versions") or ()) or "no version yet"
        print(f"{each['name']} {each['version']}: {one['id']}; mended in {mended}")
    lacking = max(expected - len(found), 0) + len(skipped)
    if lacking:
        named = ", ".join(skipped[:MOST_NAMED]) + (" …" if len(skipped) > MOST_NAMED else "")
        print(f"could not be asked of {lacking} of {expected} pins{': ' if named else ''}{named}")
    if known:
        print(f"{len(known)} known vulnerabilities")
        return SOME_KNOWN
    if lacking:
        return NOT_ASKED
    print(f"no known vulnerability in {expected} pins")
    return NOTHING_KNOWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
