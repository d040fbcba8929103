from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.clock import utc_now
from services.config import Settings
from services.webhooks.schedule import pauses_of
from services.webhooks.signing import secret_of, signed_headers
from services.webhooks.types import JOB_EVENTS, TEST_EVENT

PAGE = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET, NEXT = (secret_of(SecretStr("k" * 32), "webhook_1", generation) for generation in (1, 2))
BODY = b'{"type":"job.failed"}'
SECONDS = {"s": 1, "min": 60, "h": 3600}


@pytest.fixture(scope="module")
def is_ours() -> Any:
    """The function that the page gives to integrators."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names["is_ours"]


class TestVerification:
    def test_accepts_what_is_signed(self, is_ours: Any) -> None:
        """The page's code knows our messages, also those with two signatures."""
        headers = signed_headers([NEXT, SECRET], "msg_1", BODY, utc_now())

        assert is_ours(SECRET, headers, BODY)
        assert is_ours(NEXT, headers, BODY)

    def test_refuses_everything_else(self, is_ours: Any) -> None:
        """Another body, id, time or secret, an old message, and headers that are missing or odd."""
        headers = signed_headers([SECRET], "msg_1", BODY, utc_now())
        old = signed_headers([SECRET], "msg_1", BODY, utc_now().replace(year=2020))
        odd: dict[str, str] = dict.fromkeys(headers, "\u00e9")

        assert not is_ours(SECRET, headers, BODY + b" ")
        assert not is_ours(NEXT, headers, BODY)
        assert not is_ours(SECRET, headers | {"webhook-id": "msg_2"}, BODY)
        assert not any(is_ours(SECRET, found, BODY) for found in (old, odd, {}, headers | odd))


class TestTables:
    def test_events_are_all_there(self) -> None:
        """The page names every type of message, and no other."""
        assert {*JOB_EVENTS, TEST_EVENT} == set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE))

    def test_pauses_are_the_default_ones(self) -> None:
        """The page's table of attempts is the one that is kept to."""
        (row,) = re.findall(r"^\| pause before it.*\| \u2013 \|(.*)\|$", PAGE, re.MULTILINE)
        told = [cell.split() for cell in row.split("|")]

        assert pauses_of(Settings(_env_file=None).webhook_pauses_s) == tuple(
            float(number) * SECONDS[unit] for number, unit in told
        )
