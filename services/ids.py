"""Opaque identifiers with a type prefix that sort by the time they were made."""

from __future__ import annotations

import secrets
import time
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_DIGITS = 10  # 50 bits of milliseconds
_RANDOM_DIGITS = 16  # 80 random bits


def new_id(prefix: str) -> str:
    """Return for example ``img_01k9zt3v5e8w2hq4x7c1n6m0ba`` (ULID layout, lower case)."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{_encode(milliseconds, _TIME_DIGITS)}{_encode(secrets.randbits(80), _RANDOM_DIGITS)}"


def first_id(prefix: str, at: datetime) -> str:
    """Return the least id that `new_id` could have made at a time: older ones sort before it."""
    milliseconds = int(at.timestamp() * 1000)
    return f"{prefix}_{_encode(milliseconds, _TIME_DIGITS)}{_encode(0, _RANDOM_DIGITS)}"


def _encode(number: int, digits: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(digits)))
