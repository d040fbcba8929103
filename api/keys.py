"""``python -m api.keys``: make, list, replace and revoke API keys without a browser or a key."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from services import audit
from services.auth import SCOPES, ApiKey, ApiKeyService, IssuedKey
from services.clock import utc_now
from services.config import load_settings
from services.db.engine import make_engine, session_factory
from services.errors import InvalidInputError, KaryobridgeError
from services.key_rotation import DEFAULT_OVERLAP_HOURS, MAX_OVERLAP_HOURS, rotate
from services.pagination import MAX_LIMIT, PageRequest

ACTOR = "command line"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        url = load_settings().database_url.get_secret_value()
    except KaryobridgeError as error:
        return _fail(str(error))
    if not url:
        return _fail("Set DATABASE_URL to the database of the server; `make serve` prints it.")
    engine = make_engine(url, pool_size=1)
    try:
        with session_factory(engine).begin() as session:
            options.run(session, options)
    except KaryobridgeError as error:
        return _fail(str(error))
    except OperationalError as error:
        return _fail(f"The database does not answer: {str(error.orig).strip()}")
    finally:
        engine.dispose()
    return 0


def _create(session: Session, options: argparse.Namespace) -> None:
    issued = ApiKeyService(session).create(options.name, options.scope, expires_at=_end(options.days))
    new = issued.record
    audit.record(session, actor=ACTOR, action="key.created", subject=new.id, details=new.told())
    _show(issued)


def _rotate(session: Session, options: argparse.Namespace) -> None:
    _show(rotate(session, options.id, options.overlap_hours, _end(options.days), actor=ACTOR))


def _list(session: Session, _: argparse.Namespace) -> None:
    page = PageRequest(MAX_LIMIT)
    while True:
        found = ApiKeyService(session).list_page(page)
        for key in found.items:
            used = f"used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
            _say(f"{key.id}  {key.name}  {','.join(key.scopes)}  {_state(key)}  {used}")
        if found.next_cursor is None:
            return
        page = PageRequest(MAX_LIMIT, found.next_cursor)


def _revoke(session: Session, options: argparse.Namespace) -> None:
    revoked = ApiKeyService(session).revoke(options.id)
    audit.record(session, actor=ACTOR, action="key.revoked", subject=revoked.id, details={})
    _say(f"{revoked.id} is revoked.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.keys", description=__doc__)
    commands = parser.add_subparsers(required=True)
    create = commands.add_parser("create", help="make a key and print it")
    create.add_argument("--name", required=True, help="who will hold it")
    create.add_argument("--scope", required=True, action="append", choices=SCOPES, help="repeat for several")
    create.add_argument("--days", type=int, help="it ends after so many; without, it does not")
    create.set_defaults(run=_create)
    replace = commands.add_parser("rotate", help="make a key's successor and print it")
    replace.add_argument("id", help="id of the old key, as shown by list")
    replace.add_argument(
        "--overlap-hours",
        type=int,
        default=DEFAULT_OVERLAP_HOURS,
        help=f"for how long the old key still works, 0 to {MAX_OVERLAP_HOURS} (default: %(default)s)",
    )
    replace.add_argument("--days", type=int, help="the new key ends after so many; else as the old one did")
    replace.set_defaults(run=_rotate)
    commands.add_parser("list", help="show all keys").set_defaults(run=_list)
    revoke = commands.add_parser("revoke", help="make a key useless")
    revoke.add_argument("id", help="its id, as shown by list")
    revoke.set_defaults(run=_revoke)
    return parser


def _end(days: int | None) -> datetime | None:
    try:
        return None if days is None else utc_now() + timedelta(days=days)
    except OverflowError:
        raise InvalidInputError(f"--days {days} is beyond any calendar.", "days") from None


def _state(key: ApiKey) -> str:
    state = key.state(utc_now())
    if state == "revoked":
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return state
    return f"{state} {'until' if state == 'active' else 'since'} {key.expires_at:%Y-%m-%d %H:%M}"


def _show(issued: IssuedKey) -> None:
    _say(issued.key)
    print(f"Key {issued.record.id} ({issued.record.name}) is shown once; keep it safe.", file=sys.stderr)  # noqa: T201 - a command's answer


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command's answer


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201 - a command's answer
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
