"""``python -m services.doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from services.config import Settings, load_settings
from services.doctor.checks import examine
from services.doctor.findings import EXIT_OF, Finding, as_json, as_text, exit_status, fail
from services.doctor.installation import find_installation
from services.errors import KaryobridgeError
from services.log import configure_logging
from services.redaction import Redactor, secrets_of

_DESCRIPTION = (
    "Checks this installation with the settings of this process, and says what to do. Ends with 0 if all is "
    "well, 1 if there are warnings, 2 if something fails. Never shows a secret."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, print, and return the exit status."""
    options = _parser().parse_args(arguments)
    # What drivers log on their way is in the findings already.
    configure_logging("ERROR", "console")
    clean = Redactor()
    try:
        settings = load_settings()
        clean = Redactor([*secrets_of(settings), *filter(None, [options.api_key])])
        findings = _examine(options, settings)
        return _show(findings, as_json_document=options.json, clean=clean)
    except (ValidationError, KaryobridgeError) as error:
        return _show(iter(_unusable(error)), as_json_document=options.json, clean=clean)


def _examine(options: argparse.Namespace, settings: Settings) -> Iterator[Finding]:
    installation = find_installation(
        settings,
        api_url=options.url,
        api_key=options.api_key,
        run_jobs=not options.no_job,
        job_within_s=options.job_within,
    )
    return examine(installation)


def _unusable(error: ValidationError | KaryobridgeError) -> list[Finding]:
    """What is wrong with settings that cannot be read; values are not shown, they may be secrets."""
    advice = ".env.example describes every setting."
    if isinstance(error, KaryobridgeError):
        return [fail("settings", str(error), advice)]
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        fail("settings", f"{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}", advice)
        for fault in faults
    ]


def _show(findings: Iterator[Finding], *, as_json_document: bool, clean: Redactor) -> int:
    shown = []
    for finding in findings:
        shown.append(finding)
        if not as_json_document:
            print(as_text(finding, clean), flush=True)  # noqa: T201 - a command's answer
    if as_json_document:
        print(clean(as_json(shown)))  # noqa: T201 - as above
    else:
        counts = ", ".join(
            f"{number} {status}"
            for status in EXIT_OF
            if (number := sum(finding.status == status for finding in shown))
        )
        print(f"\n{counts}")  # noqa: T201 - as above
    return exit_status(shown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.doctor", description=_DESCRIPTION)
    parser.add_argument(
        "--url",
        default=os.environ.get("KARYOBRIDGE_URL"),
        help="ask the API at this address, too (default: KARYOBRIDGE_URL)",
    )
    # From the environment alone: on a command line every user of the machine could read it.
    parser.set_defaults(api_key=os.environ.get("KARYOBRIDGE_API_KEY"))
    parser.add_argument("--no-job", action="store_true", help="submit no diagnostic jobs")
    parser.add_argument(
        "--job-within",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a diagnostic job (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
