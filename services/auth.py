"""API keys: who calls, and what they may do.

A key has 256 random bits, so a plain SHA-256 of it is safe to store and fast to look up. The look-up
itself tells nothing by its timing: whoever measures how far a digest agrees with a stored one cannot
choose the next digest, because no key with a wanted digest can be found. The row that an index returns
is compared once more in constant time, so that not even the database's comparison is trusted.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.clock import utc_now
from services.db.tables import ApiKeyRow, JsonObject
from services.errors import ConflictError, InvalidInputError, KaryobridgeError, NotFoundError
from services.ids import new_id
from services.pagination import Page, PageRequest, make_page

Scope = Literal["read", "submit", "review", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_PREFIX = "kb_"
_KEY_BYTES = 32
_MIN_KEY_CHARACTERS = 32
MAX_LIFETIME: Final = timedelta(days=3660)
_REFUSED = "The API key is unknown, was revoked or has expired."


class UnauthenticatedError(KaryobridgeError):
    """No key came with the request, or one that is unknown, revoked or expired.

    Parameters
    ----------
    reason
        Which of these it is, for the operator's log; a caller is never told.
    """

    code = "unauthenticated"
    title = "A valid API key is needed"

    def __init__(self, detail: str, reason: str = "no key") -> None:
        super().__init__(detail)
        self.reason = reason


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
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None

    def state(self, now: datetime) -> Literal["active", "revoked", "expired"]:
        """Whether it opens anything at `now`, and why not."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.expires_at is None or self.expires_at > now else "expired"

    def told(self) -> JsonObject:
        """What the audit trail keeps of a new key."""
        end = None if self.expires_at is None else self.expires_at.isoformat()
        return {
            "name": self.name,
            "scopes": list(self.scopes),
            "expires_at": end,
            "replaces": self.replaces,
        }


@dataclass(frozen=True)
class IssuedKey:
    """A new key, in clear for the only time."""

    key: str
    record: ApiKey


class ApiKeyService:
    """Creates, checks and revokes keys; flushes, and leaves the commit to the edge."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        *,
        expires_at: datetime | None = None,
        replaces: str | None = None,
    ) -> IssuedKey:
        """Issue a key, for ever or until `expires_at`.

        Parameters
        ----------
        replaces
            Id of the key whose successor it is, see `services.key_rotation`.

        Raises
        ------
        InvalidInputError
            No scope, or an unknown one; or an end that is past, or more than `MAX_LIFETIME` away.
        ConflictError
            A key of that name exists already (revoked ones count, for the audit trail's sake).
        """
        return self._store(name, scopes, _new_key(), expires_at=expires_at, replaces=replaces)

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
            The key is unknown, revoked or expired; the answer is the same for all three.
        """
        digest = _digest(key)
        row = self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.key_sha256 == digest))
        if row is None or not hmac.compare_digest(row.key_sha256, digest):
            raise UnauthenticatedError(_REFUSED, "unknown key")
        state = _record(row).state(utc_now())
        if state != "active":
            raise UnauthenticatedError(_REFUSED, f"{state} key {row.id}")
        return Caller(row.id, row.name, frozenset(_known(row.scopes)))

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key useless from now on; revoking twice changes nothing."""
        row = self._row(key_id)
        row.revoked_at = row.revoked_at or utc_now()
        self._session.flush()
        return _record(row)

    def lock(self, key_id: str) -> ApiKey:
        """Read a key that nobody else can change until the transaction ends; raises `NotFoundError`."""
        return _record(self._row(key_id))

    def end_by(self, key_id: str, end: datetime) -> datetime:
        """Let a key expire at `end`, unless it does so earlier; returns when it ends."""
        row = self._row(key_id)
        row.expires_at = end if row.expires_at is None else min(row.expires_at, end)
        self._session.flush()
        return row.expires_at

    def list_page(self, page: PageRequest) -> Page[ApiKey]:
        """Return keys in the order they were made, revoked ones included."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.id).limit(page.limit + 1)
        if page.after is not None:
            query = query.where(ApiKeyRow.id > page.after)
        records = [_record(row) for row in self._session.scalars(query)]
        return make_page(records, page.limit, lambda record: record.id)

    def any_exists(self, *, active_only: bool = True) -> bool:
        """Whether anybody could call with a key."""
        conditions = active_keys() if active_only else (ApiKeyRow.id.is_not(None),)
        return bool(self._session.scalar(select(exists().where(*conditions))))

    def _row(self, key_id: str) -> ApiKeyRow:
        row = self._session.get(ApiKeyRow, key_id, with_for_update=True)
        if row is None:
            raise NotFoundError("API key", key_id)
        return row

    def _store(
        self,
        name: str,
        scopes: Collection[Scope],
        key: str,
        *,
        expires_at: datetime | None = None,
        replaces: str | None = None,
    ) -> IssuedKey:
        _check_end(expires_at)
        unknown = set(scopes) - set(SCOPES)
        if unknown or not scopes:
            raise InvalidInputError(f"Choose scopes among {', '.join(SCOPES)}.", "scopes")
        ordered = [scope for scope in SCOPES if scope in scopes]
        row = ApiKeyRow(
            id=new_id("key"),
            name=name,
            key_sha256=_digest(key),
            scopes=ordered,
            expires_at=expires_at,
            replaces=replaces,
        )
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError as error:
            raise ConflictError(
                f"There is already an API key named {name!r}; choose another name."
            ) from error
        self._session.refresh(row)
        return IssuedKey(key, _record(row))


def _check_end(expires_at: datetime | None) -> None:
    now = utc_now()
    if expires_at is not None and not now < expires_at <= now + MAX_LIFETIME:
        raise InvalidInputError(
            f"A key ends later than now and within {MAX_LIFETIME.days} days; without this it does not end.",
            "expires_at",
        )


def _new_key() -> str:
    return _PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def active_keys() -> tuple[ColumnElement[bool], ...]:
    """Conditions of keys that open something now."""
    return (
        ApiKeyRow.revoked_at.is_(None),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > utc_now()),
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _known(scopes: Collection[str]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=_known(row.scopes),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        replaces=row.replaces,
    )
