"""Cursor lists: pages in the order of ids, which sort by time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.errors import InvalidInputError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

Item = TypeVar("Item")


@dataclass(frozen=True)
class PageRequest:
    """What a caller asks for: at most `limit` items after the one that `cursor` names."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    @property
    def after(self) -> str | None:
        """The key of the last item already seen.

        Raises
        ------
        InvalidInputError
            If the cursor was not made by `encode_cursor`.
        """
        return None if self.cursor is None else decode_cursor(self.cursor)


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items, and the cursor of the next page if there is one."""

    items: tuple[Item, ...]
    next_cursor: str | None


def make_page(fetched: Sequence[Item], limit: int, key_of: Callable[[Item], str]) -> Page[Item]:
    """Make a page from up to ``limit + 1`` fetched items; the extra one proves that more follow."""
    items = tuple(fetched[:limit])
    more = len(fetched) > limit
    return Page(items, encode_cursor(key_of(items[-1])) if more else None)


def encode_cursor(key: str) -> str:
    """Hide a key in URL-safe text, so that nobody builds on its form."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Reverse `encode_cursor`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise InvalidInputError("The cursor is not one that this service gave out.", "cursor") from error
    if not key.isprintable() or not key:
        raise InvalidInputError("The cursor is not one that this service gave out.", "cursor")
    return key
