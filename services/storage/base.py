"""The seam to object storage: a handful of methods, whatever lies behind.

Rows and objects cannot be written in one transaction. So objects go first, under keys made from
their content: writing one again is harmless, and an object without a row is only garbage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

from services.errors import KaryobridgeError, TransientError


class ObjectNotFoundError(KaryobridgeError):
    """No object lies under the key: the store was emptied, or the key belongs to another one."""

    code = "object_not_found"
    title = "A stored object is missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"No object is stored under {key!r}.")


class StoreUnavailableError(TransientError):
    """The store did not answer, is full, or refused our credentials."""

    code = "store_unavailable"
    title = "The object store is away"


@dataclass(frozen=True)
class SignedRequest:
    """A request that anybody may send to the store itself, once or again, until it expires.

    Attributes
    ----------
    url
        Absolute; whoever holds it may do this one thing with this one object.
    headers
        What must be sent along.
    """

    method: Literal["GET", "PUT"]
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Objects under keys; every implementation passes the same contract tests."""

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write an object whole or not at all; an existing one is replaced."""
        ...

    def get(self, key: str) -> bytes:
        """Read a whole object; raises `ObjectNotFoundError`."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on; raises `ObjectNotFoundError`.

        The answer is shorter where the object ends; to start beyond its end is the caller's mistake and
        counts as a failure of the store.
        """
        ...

    def stream(self, key: str) -> Iterator[bytes]:
        """Yield an object in pieces of about a megabyte; raises `ObjectNotFoundError` at once."""
        ...

    def exists(self, key: str) -> bool:
        """Whether an object lies under the key."""
        ...

    def size(self, key: str) -> int:
        """Tell how many bytes an object has, without reading it; raises `ObjectNotFoundError`."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""
        ...

    def sign(self, key: str, method: Literal["GET", "PUT"], expires_in_s: float) -> SignedRequest | None:
        """Let somebody without credentials read or write one object for a while.

        None where the store cannot do that: a folder, or a store that clients do not reach.
        """
        ...

    def check(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers."""
        ...
