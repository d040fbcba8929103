"""API keys: who calls, and what they may do.

A key has 256 random bits, so a plain SHA-256 of it is safe to store and fast to look up; there is
nothing to guess from the digest and no timing to learn from an index look-up.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.clock import utc_now
from services.db.tables import ApiKeyRow
from services.errors import ConflictError, InvalidInputError, KaryobridgeError, NotFoundError
from services.ids import new_id
from services.pagination import Page, PageRequest, make_page

Scope = Literal["read", "submit", "review", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_PREFIX = "kb_"
_KEY_BYTES = 32
_MIN_KEY_CHARACTERS = 32


class UnauthenticatedError(KaryobridgeError):
    """No key came with the request, or one that is unknown or revoked."""

    code = "unauthenticated"
    title = "A valid API key is needed"


class ForbiddenError(KaryobridgeError):
    """The key is valid, but lacks the scope that this needs."""

    code = "forbidden"
    title = "The API key does not allow this"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This needs a key with the scope {scope!r} (or 'admin').")


@dataclass(frozen=True)
class Caller:
    """Who is calling: a key, or anybody on this computer when keys are not required."""

    id: str
    name: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Raise `ForbiddenError` unless the caller has `scope`; ``admin`` implies all."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise ForbiddenError(scope)


LOCAL_CALLER: Final = Caller(id="local", name="local", scopes=frozenset(SCOPES))


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; the key itself is not kept."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class IssuedKey:
    """A new key, in clear for the only time."""

    key: str
    record: ApiKey


class ApiKeyService:
    """Creates, checks and revokes keys; flushes, and leaves the commit to the edge."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, name: str, scopes: Collection[Scope]) -> IssuedKey:
        """Issue a key.

        Raises
        ------
        InvalidInputError
            No scope, or an unknown one.
        ConflictError
            A key of that name exists already (revoked ones count, for the audit trail's sake).
        """
        return self._store(name, scopes, _PREFIX + secrets.token_urlsafe(_KEY_BYTES))

    def bootstrap(self, key: str) -> ApiKey | None:
        """Store a key that the operator chose as the first admin key, if there is no key at all.

        Raises
        ------
        InvalidInputError
            The key is so short that it could be guessed.
        """
        if self.any_exists(active_only=False):
            return None
        if len(key) < _MIN_KEY_CHARACTERS:
            raise InvalidInputError(
                f"BOOTSTRAP_ADMIN_KEY needs at least {_MIN_KEY_CHARACTERS} characters; "
                "make one with: openssl rand -hex 32",
                "bootstrap_admin_key",
            )
        return self._store("bootstrap", frozenset[Scope](("admin",)), key).record

    def verify(self, key: str) -> Caller:
        """Return who holds `key`.

        Raises
        ------
        UnauthenticatedError
            The key is unknown or revoked.
        """
        query = select(ApiKeyRow).where(ApiKeyRow.key_sha256 == _digest(key), ApiKeyRow.revoked_at.is_(None))
        row = self._session.scalar(query)
        if row is None:
            raise UnauthenticatedError("The API key is unknown or was revoked.")
        return Caller(row.id, row.name, frozenset(_known(row.scopes)))

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key useless from now on; revoking twice changes nothing."""
        row = self._session.get(ApiKeyRow, key_id, with_for_update=True)
        if row is None:
            raise NotFoundError("API key", key_id)
        row.revoked_at = row.revoked_at or utc_now()
        self._session.flush()
        return _record(row)

    def list_page(self, page: PageRequest) -> Page[ApiKey]:
        """Return keys in the order they were made, revoked ones included."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.id).limit(page.limit + 1)
        if page.after is not None:
            query = query.where(ApiKeyRow.id > page.after)
        records = [_record(row) for row in self._session.scalars(query)]
        return make_page(records, page.limit, lambda record: record.id)

    def any_exists(self, *, active_only: bool = True) -> bool:
        """Whether anybody could call with a key."""
        condition = ApiKeyRow.revoked_at.is_(None) if active_only else ApiKeyRow.id.is_not(None)
        return bool(self._session.scalar(select(exists().where(condition))))

    def _store(self, name: str, scopes: Collection[Scope], key: str) -> IssuedKey:
        unknown = set(scopes) - set(SCOPES)
        if unknown or not scopes:
            raise InvalidInputError(f"Choose scopes among {', '.join(SCOPES)}.", "scopes")
        ordered = [scope for scope in SCOPES if scope in scopes]
        row = ApiKeyRow(id=new_id("key"), name=name, key_sha256=_digest(key), scopes=ordered)
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as error:
            raise ConflictError(
                f"There is already an API key named {name!r}; choose another name."
            ) from error
        self._session.refresh(row)
        return IssuedKey(key, _record(row))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _known(scopes: Collection[str]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, _known(row.scopes), row.created_at, row.revoked_at)
