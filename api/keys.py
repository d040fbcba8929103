"""``python -m api.keys``: make, list and revoke API keys where there is no browser and no key yet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.orm import Session

from services import audit
from services.auth import SCOPES, ApiKeyService
from services.config import load_settings
from services.db.engine import make_engine, session_factory
from services.errors import KaryobridgeError
from services.pagination import MAX_LIMIT, PageRequest

ACTOR = "command line"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    url = load_settings().database_url.get_secret_value()
    if not url:
        return _fail("Set DATABASE_URL to the database of the server; `make serve` prints it.")
    engine = make_engine(url, pool_size=1)
    try:
        with session_factory(engine).begin() as session:
            options.run(session, options)
    except KaryobridgeError as error:
        return _fail(str(error))
    finally:
        engine.dispose()
    return 0


def _create(session: Session, options: argparse.Namespace) -> None:
    issued = ApiKeyService(session).create(options.name, options.scope)
    details = {"name": issued.record.name, "scopes": list(issued.record.scopes)}
    audit.record(session, actor=ACTOR, action="key.created", subject=issued.record.id, details=details)
    _say(f"{issued.key}")
    print(f"Key {issued.record.id} is shown once; keep it safe.", file=sys.stderr)  # noqa: T201 - a command's answer


def _list(session: Session, _: argparse.Namespace) -> None:
    for key in ApiKeyService(session).list_page(PageRequest(MAX_LIMIT)).items:
        state = "active" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
        _say(f"{key.id}  {key.name}  {','.join(key.scopes)}  {state}")


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
    create.set_defaults(run=_create)
    commands.add_parser("list", help="show all keys").set_defaults(run=_list)
    revoke = commands.add_parser("revoke", help="make a key useless")
    revoke.add_argument("id", help="its id, as shown by list")
    revoke.set_defaults(run=_revoke)
    return parser


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command's answer


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201 - a command's answer
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
