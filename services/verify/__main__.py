"""``python -m services.verify``: whether every object that the database names lies in the store.

It only reads, and may run beside the service. Ends with 0 if all is there, 1 if something is missing or
damaged, and 2 if that could not be found out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from services.config import load_settings
from services.db.engine import make_engine
from services.errors import InvalidInputError, KaryobridgeError
from services.redaction import redact
from services.storage.factory import open_store
from services.verify.checks import Verdict, verdicts
from services.verify.references import count_references, references

EXIT_INCOMPLETE: Final = 1
EXIT_UNKNOWN: Final = 2
_SHOWN_EVERY_S: Final = 0.2
_BAR_WIDTH: Final = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.verify", description=__doc__)
    parser.add_argument(
        "--contents", action="store_true", help="also read every object and compare its SHA-256"
    )
    options = parser.parse_args(arguments)
    try:
        return _verify(contents=options.contents)
    except KaryobridgeError as error:
        print(f"{error.title}: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
    except SQLAlchemyError as error:
        print(f"The database failed: {redact(str(error))}", file=sys.stderr)  # noqa: T201
    return EXIT_UNKNOWN


def _verify(*, contents: bool) -> int:
    settings = load_settings()
    if settings.embedded_database:
        raise InvalidInputError("Set DATABASE_URL to the database whose objects are to be looked for.")
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    store = open_store(settings.store_url)
    store.check()
    bar = _Bar(count_references(engine) if sys.stderr.isatty() else None)
    checked = faults = 0
    for verdict in verdicts(references(engine), store, contents=contents):
        checked += 1
        if verdict.state != "sound":
            faults += 1
            bar.clear()
            print(_told(verdict))  # noqa: T201
        bar.show(checked)
    bar.clear()
    engine.dispose()
    how = "read and compared" if contents else "looked up"
    print(f"{checked:,} references {how}: {faults:,} with a missing or damaged object.")  # noqa: T201
    return EXIT_INCOMPLETE if faults else 0


def _told(verdict: Verdict) -> str:
    """For example ``missing  crops/3f/3fa9….npz  crop crop_1, crop_2, crop_3 and 43 more``."""
    found = verdict.reference
    more = found.num_owners - len(found.examples)
    others = f" and {more:,} more" if more else ""
    return f"{verdict.state:<8} {found.key}  {found.owner} {', '.join(found.examples)}{others}"


class _Bar:
    """One line that grows, for a person at a terminal; nothing where `total` is None."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._shown_at_s = 0.0

    def show(self, done: int) -> None:
        """Draw it again, now and then."""
        if self._total is None or time.monotonic() - self._shown_at_s < _SHOWN_EVERY_S:
            return
        self._shown_at_s = time.monotonic()
        share = min(1.0, done / max(1, self._total))
        bar = "#" * round(share * _BAR_WIDTH)
        print(f"\r{bar:.<{_BAR_WIDTH}} {done:,} of {self._total:,}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def clear(self) -> None:
        """Make room for a line of text."""
        if self._total is not None:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
