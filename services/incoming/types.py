"""A promised file: who sends it, how large it is, until when it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["waiting", "received", "used", "expired"]
"""``received`` means that exactly the promised number of bytes lies in the store."""


@dataclass(frozen=True)
class IncomingFile:
    """A file that a client said it would send; nothing is known of its bytes.

    Attributes
    ----------
    filename
        A label; the key is made from the id alone.
    created_by
        Id of the caller, whom the upload belongs to.
    """

    id: str
    filename: str
    size_bytes: int
    object_key: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
