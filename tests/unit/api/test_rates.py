"""How often somebody may call, in one process."""

from __future__ import annotations

import re

import pytest

from api.rates import RateLimitedError, RateLimits, TooManyWrongKeysError
from services.config import Settings


def limits(**given: int) -> RateLimits:
    return RateLimits(Settings(_env_file=None, **given))  # type: ignore[arg-type]


def count(rates: RateLimits, caller: str, times: int) -> int:
    """Send requests; returns how many were let through."""
    passed = 0
    for _ in range(times):
        try:
            rates.count(caller)
        except RateLimitedError:
            continue
        passed += 1
    return passed


class TestRequests:
    def test_limit_is_exact_and_per_key(self) -> None:
        """So many requests pass and not one more; another key has its own."""
        rates = limits(rate_limit_per_minute=5)

        assert 5 == count(rates, "key_a", 9)
        assert 5 == count(rates, "key_b", 5)

    def test_refusal_says_when_to_come_back(self) -> None:
        """The refusal has Retry-After and the fields of the IETF draft, which agree."""
        rates = limits(rate_limit_per_minute=1)
        rates.count("key_a")
        with pytest.raises(RateLimitedError) as refused:
            rates.count("key_a")
        headers = refused.value.headers

        assert '"per-key";q=1;w=60' == headers["RateLimit-Policy"]
        assert f'"per-key";r=0;t={headers["Retry-After"]}' == headers["RateLimit"]
        assert re.fullmatch(r"[1-9]\d?", headers["Retry-After"])

    def test_zero_is_no_limit(self) -> None:
        """Nothing is counted, and no policy is told."""
        rates = limits(rate_limit_per_minute=0)

        assert 50 == count(rates, "key_a", 50)
        assert rates.policy is None


class TestWrongKeys:
    def test_so_many_different_ones_shut_an_address_out(self) -> None:
        """After the last allowed guess nothing from there is listened to; elsewhere all goes on."""
        rates = limits(auth_failures_per_minute=3)
        for guess in ("a", "b", "c"):
            rates.admit("192.0.2.1")
            rates.note_wrong("192.0.2.1", guess)

        with pytest.raises(TooManyWrongKeysError, match="3 different") as refused:
            rates.admit("192.0.2.1")
        assert 0 < int(refused.value.headers["Retry-After"]) <= 60
        rates.admit("192.0.2.2")

    def test_an_old_key_in_a_program_locks_nobody_out(self) -> None:
        """One wrong key, however often, counts once: others behind the same address go on working."""
        rates = limits(auth_failures_per_minute=3)
        for _ in range(100):
            rates.admit("192.0.2.1")
            rates.note_wrong("192.0.2.1", "the key of last year")

        rates.admit("192.0.2.1")

    @pytest.mark.parametrize(
        ("second", "same"),
        [("2001:db8:0:1::9", True), ("2001:db8:0:2::1", False), ("192.0.2.1", False)],
    )
    def test_addresses_of_one_subnet_are_one(self, second: str, same: bool) -> None:  # noqa: FBT001 - a table
        """A machine has 2**64 IPv6 addresses; they count as one, and those of others do not."""
        rates = limits(auth_failures_per_minute=1)
        rates.note_wrong("2001:db8:0:1::1", "guess")

        if same:
            with pytest.raises(TooManyWrongKeysError):
                rates.admit(second)
        else:
            rates.admit(second)

    def test_mapped_address_is_the_plain_one(self) -> None:
        """A server that listens on both protocols sees an IPv4 client under two spellings."""
        rates = limits(auth_failures_per_minute=1)
        rates.note_wrong("::ffff:192.0.2.1", "guess")

        with pytest.raises(TooManyWrongKeysError):
            rates.admit("192.0.2.1")

    def test_zero_is_no_limit(self) -> None:
        """An operator whose proxy does this already turns it off."""
        rates = limits(auth_failures_per_minute=0)
        for guess in range(50):
            rates.note_wrong("192.0.2.1", str(guess))

        rates.admit("192.0.2.1")
