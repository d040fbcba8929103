"""``make audit``: known holes in what is locked. A hole fails; not being able to ask is said, and does not.

pip-audit calls a package that the index cannot tell about "skipped", and then reports that no hole was
found. Behind a mirror without the service for vulnerabilities that would be all of them, hence this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))
from locks import ROOT

LOCKS: Final = ("requirements-api.txt", "requirements.txt", "requirements-dev.txt", "requirements-torch.txt")
TIMEOUT_S: Final = 300.0


@dataclass
class Findings:
    """What became of the packages of one lock file."""

    holes: list[str] = field(default_factory=list)
    audited: int = 0
    unaudited: int = 0
    failure: str | None = None


def main() -> int:
    """Ask for every lock file; the exit status is 1 if there is a hole."""
    found = {lock: audit(lock) for lock in LOCKS}
    for lock, one in found.items():
        print(told(lock, one))
    return 1 if any(one.holes for one in found.values()) else 0


def audit(lock: str) -> Findings:
    """Ask pip-audit about one lock file."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--no-deps", "--disable-pip"]
    options = ["--format", "json", "--progress-spinner", "off"]
    try:
        finished = subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        return findings_of(json.loads(finished.stdout))
    except subprocess.TimeoutExpired:
        return Findings(failure=f"no answer within {TIMEOUT_S:.0f} s")
    except ValueError:
        return Findings(failure=(finished.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1])


def findings_of(report: Mapping[str, Any]) -> Findings:
    """Read a report of pip-audit."""
    found = Findings()
    for package in report["dependencies"]:
        if "skip_reason" in package:
            found.unaudited += 1
            continue
        found.audited += 1
        for hole in package["vulns"]:
            fixed = ", ".join(hole["fix_versions"]) or "no version yet"
            found.holes.append(f"{package['name']} {package['version']}: {hole['id']}, fixed in {fixed}")
    return found


def told(lock: str, found: Findings) -> str:
    """Say what is known of one lock file, and what is not."""
    lines = [f"{lock}: {found.audited} packages audited, {len(found.holes)} holes"]
    lines += [f"  HOLE  {hole}" for hole in found.holes]
    if found.failure is not None:
        lines.append(f"  NOT AUDITED: {found.failure}")
    if found.unaudited:
        lines.append(
            f"  NOT AUDITED: {found.unaudited} packages: this package index tells no vulnerabilities."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
