"""How often somebody may call: requests of one API key, and wrong keys from one address.

Requests are counted in a window that slides (two counters, whatever the limit), in Redis for all
processes together or in each process by itself. A Redis that is away makes the limit coarser, never an
error. Wrong keys are counted in each process alone: that costs no round trip, and 256 random bits are
not guessed any sooner through four processes than through one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

from services.config import Settings
from services.errors import KaryobridgeError
from services.log import get_logger

# For so long nobody asks a Redis that failed: each request would wait for the same silence.
SHARED_AGAIN_AFTER_S: Final = 10.0
_SHARED_TIMEOUT_S: Final = 0.25
_IPV6_PREFIX: Final = 64
_ONCE_A_MINUTE: Final = RateLimitItemPerMinute(1)
_PER_KEY: Final = "per-key"
_WRONG_KEYS: Final = "wrong-keys"

log = get_logger(__name__)


class TooOftenError(KaryobridgeError):
    """Base of refusals that end by waiting.

    Attributes
    ----------
    headers
        Retry-After, and the fields of draft-ietf-httpapi-ratelimit-headers-11.
    """

    code = "too_often"
    title = "Too many requests"

    def __init__(self, detail: str, policy: str, limit: int, wait_s: int) -> None:
        super().__init__(detail)
        self.headers = {
            "Retry-After": str(wait_s),
            "RateLimit-Policy": _policy(policy, limit),
            "RateLimit": f'"{policy}";r=0;t={wait_s}',
        }


class RateLimitedError(TooOftenError):
    """One API key sent more requests than it may."""

    code = "rate_limited"
    title = "Too many requests with this API key"


class TooManyWrongKeysError(TooOftenError):
    """So many wrong keys came from one address that it is not listened to for a while."""

    code = "too_many_wrong_keys"
    title = "Too many wrong API keys from this address"


class RateLimits:
    """Counts, and refuses; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._per_key = settings.rate_limit_per_minute
        self._wrong_keys = settings.auth_failures_per_minute
        self._requests = RateLimitItemPerMinute(max(self._per_key, 1))
        self._failures = RateLimitItemPerMinute(max(self._wrong_keys, 1))
        memory = MemoryStorage()
        self._own = SlidingWindowCounterRateLimiter(memory)
        self._addresses = MovingWindowRateLimiter(memory)
        self._shared = _shared(settings.rate_limit_storage_url.get_secret_value())
        self._shared_at = 0.0
        self.policy = _policy(_PER_KEY, self._per_key) if self._per_key else None

    def count(self, caller_id: str) -> None:
        """Count a request of a key; raises `RateLimitedError` if it is one too many."""
        if not self._per_key:
            return
        wait_s = self._wait_s(caller_id)
        if wait_s is not None:
            raise RateLimitedError(
                f"This key may send {self._per_key} requests in a minute; wait {wait_s} s.",
                _PER_KEY,
                self._per_key,
                wait_s,
            )

    def admit(self, address: str) -> None:
        """Raise `TooManyWrongKeysError` while an address is shut out, whatever key it sends."""
        if not self._wrong_keys or self._addresses.test(self._failures, _WRONG_KEYS, _network(address)):
            return
        wait_s = _seconds_left(self._addresses, self._failures, _WRONG_KEYS, _network(address))
        raise TooManyWrongKeysError(
            f"More than {self._wrong_keys} different wrong keys came from this address within a minute; "
            f"wait {wait_s} s.",
            _WRONG_KEYS,
            self._wrong_keys,
            wait_s,
        )

    def note_wrong(self, address: str, key: str) -> None:
        """Count a wrong key, each once in a minute: a program with an old key tries it again and again."""
        network = _network(address)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        if self._wrong_keys and self._addresses.hit(_ONCE_A_MINUTE, network, digest):
            self._addresses.hit(self._failures, _WRONG_KEYS, network)

    def _wait_s(self, caller_id: str) -> int | None:
        if self._shared is not None and time.monotonic() >= self._shared_at:
            try:
                return _hit(self._shared, self._requests, caller_id)
            except StorageError as error:
                self._shared_at = time.monotonic() + SHARED_AGAIN_AFTER_S
                log.warning("rate limits are counted by each process", reason=str(error))
        return _hit(self._own, self._requests, caller_id)


def _shared(url: str) -> RateLimiter | None:
    if not url:
        return None
    storage = RedisStorage(
        url,
        wrap_exceptions=True,
        key_prefix="karyobridge",
        socket_timeout=_SHARED_TIMEOUT_S,
        socket_connect_timeout=_SHARED_TIMEOUT_S,
    )
    return SlidingWindowCounterRateLimiter(storage)


def _hit(limiter: RateLimiter, item: RateLimitItemPerMinute, caller_id: str) -> int | None:
    """Count one request; returns the seconds to wait if it is one too many."""
    return None if limiter.hit(item, caller_id) else _seconds_left(limiter, item, caller_id)


def _seconds_left(limiter: RateLimiter, item: RateLimitItemPerMinute, *identifiers: str) -> int:
    left_s = limiter.get_window_stats(item, *identifiers).reset_time - time.time()
    return max(1, math.ceil(left_s))


def _policy(name: str, limit: int) -> str:
    return f'"{name}";q={limit};w=60'


def _network(address: str) -> str:
    """Who an address stands for: of IPv6 the subnet, whose addresses one machine has for the asking."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:  # noqa: PLR2004 - the protocol's number
        return str(ipaddress.ip_network((int(parsed), _IPV6_PREFIX), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
