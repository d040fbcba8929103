"""Lists of origins, host names and proxies in the settings: checked once, at the start.

A wrong entry must not be found out by a browser that is refused, or worse, by one that is let in.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

_COUNTERS: Final = ("redis", "rediss", "redis+unix")
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\]")


def entries_of(text: str) -> tuple[str, ...]:
    """Split a list at its commas."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def _origins(text: str) -> str:
    """Accept exact origins only: ``*`` would let every page of the internet read with a caller's key."""
    for entry in entries_of(text):
        _require_origin(entry)
    return text


def _endpoint(text: str) -> str:
    if text:
        _require_origin(text)
    return text


def _require_origin(entry: str) -> None:
    parts = urlsplit(entry)
    try:
        exact = (
            parts.scheme in ("http", "https")
            and parts.port != 0
            and parts.netloc == parts.netloc.rpartition("@")[2]
            and _HOST.fullmatch(_bare(parts.netloc)) is not None
            and not parts.netloc.startswith("*")
            and entry == f"{parts.scheme}://{parts.netloc}"
        )
    except ValueError:  # the port is no number
        exact = False
    if not exact:
        raise ValueError(f"{entry!r} is no exact origin; write https://lims.example.org or http://host:8080.")


def _hosts(text: str) -> str:
    for entry in entries_of(text):
        if not _HOST.fullmatch(entry):
            raise ValueError(
                f"{entry!r} is no host name; write kb.example.org or *.example.org, small, without a port."
            )
    return text


def _proxies(text: str) -> str:
    for entry in entries_of(text):
        if entry == "*":
            continue
        try:
            ipaddress.ip_network(entry)
        except ValueError as error:
            raise ValueError(
                f"{entry!r} is no address of a proxy; write 10.0.0.5 or 10.0.0.0/24, or * for any."
            ) from error
    return text


def _counter_url(url: SecretStr) -> SecretStr:
    if url.get_secret_value() and urlsplit(url.get_secret_value()).scheme not in _COUNTERS:
        raise ValueError("write redis://host:6379/1 or rediss://…, or leave it empty.")
    return url


def _bare(netloc: str) -> str:
    """Leave the port off."""
    return re.sub(r":\d+$", "", netloc)


def host_allowed(host: str, patterns: tuple[str, ...]) -> bool:
    """Whether a Host header names one of the hosts; ``*.example.org`` stands for all names below it."""
    name = _bare(host.strip().lower())
    return any(
        name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern for pattern in patterns
    )


Origins = Annotated[str, AfterValidator(_origins)]
"""Comma list of exact origins."""

Endpoint = Annotated[str, AfterValidator(_endpoint)]
"""One exact origin, or nothing."""

Hosts = Annotated[str, AfterValidator(_hosts)]
"""Comma list of host names, also with a leading ``*.``."""

Proxies = Annotated[str, AfterValidator(_proxies)]
"""Comma list of addresses and networks, or ``*``."""

CounterUrl = Annotated[SecretStr, AfterValidator(_counter_url)]
"""Where processes count together."""
