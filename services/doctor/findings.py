"""What a check found, and how findings are shown."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

Status = Literal["ok", "warn", "fail", "skipped"]

EXIT_OF: Final[dict[Status, int]] = {"ok": 0, "skipped": 0, "warn": 1, "fail": 2}
_NARROWEST: Final = 60
_WIDEST: Final = 120
_INDENT: Final = "              "


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    check
        What was looked at, in one or two words.
    detail
        What was seen.
    advice
        What to do; empty where there is nothing to do.
    """

    check: str
    status: Status
    detail: str
    advice: str = ""


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """It works, but will hurt some day."""
    return Finding(check, "warn", detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """The service does not work like this."""
    return Finding(check, "fail", detail, advice)


def skipped(check: str, detail: str) -> Finding:
    """It could not, or need not, be looked at."""
    return Finding(check, "skipped", detail)


def exit_status(findings: Sequence[Finding]) -> int:
    """0: all is well; 1: there are warnings; 2: something fails."""
    return max((EXIT_OF[finding.status] for finding in findings), default=0)


def as_json(findings: Sequence[Finding]) -> str:
    """Write findings for programs."""
    return json.dumps(
        {"exit_status": exit_status(findings), "findings": [asdict(finding) for finding in findings]},
        indent=2,
        ensure_ascii=False,
    )


def as_text(finding: Finding, clean: Callable[[str], str] = str) -> str:
    """Write a finding as a line, with what to do below it.

    Parameters
    ----------
    clean
        Takes secrets out of a text.
    """
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    first = f"{finding.status:<8}{finding.check}: {clean(finding.detail)}"
    lines = textwrap.wrap(first, width, subsequent_indent=_INDENT)
    if finding.advice:
        lines += textwrap.wrap(
            clean(finding.advice), width, initial_indent="        → ", subsequent_indent=_INDENT
        )
    return "\n".join(lines)
