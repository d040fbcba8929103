"""Links to stored files: the store's own where it can sign, else this service's.

A link is made for a key that a row holds, never for one that a client names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from api.schemas.links import LinksView, LinkView
from services.clock import utc_now
from services.storage.base import ObjectStore, SignedRequest

LIFETIME: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class StoredObject:
    """A file that a link may lead to.

    Attributes
    ----------
    own_path
        Where this service gives the same bytes.
    """

    key: str
    filename: str
    size_bytes: int
    sha256: str
    own_path: str


def links_to(store: ObjectStore, objects: Iterable[StoredObject]) -> LinksView:
    """Make a link to each object."""
    expires_at = utc_now() + LIFETIME
    return LinksView(expires_at=expires_at, items=[_link(store, one) for one in objects])


def _link(store: ObjectStore, one: StoredObject) -> LinkView:
    signed = store.sign(one.key, "GET", LIFETIME.total_seconds()) or SignedRequest("GET", one.own_path)
    return LinkView(
        filename=one.filename,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        method="GET",
        url=signed.url,
        headers=dict(signed.headers),
    )
