"""The check of a webhook's URL: when it is added, and again each time before a message is sent.

The URL is taken apart once, here, and what was checked is what is used: the addresses that a name
meant at the check are the ones that are connected to. A name server that answers otherwise a moment
later changes nothing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from services.webhooks.addresses import Address, Network, address_of, is_public, is_within
from services.webhooks.errors import AddressRefusedError

MAX_URL_CHARACTERS: Final = 2048
_MAX_NAME_CHARACTERS: Final = 253
_PORTS: Final = {"https": 443, "http": 80}
_FIRST_FREE_PORT: Final = 1024
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# Resolvers read a name that ends like this as a number, and 0x7f.1 as 127.0.0.1.
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Target:
    """A URL in pieces: what to say to whom.

    `host` has no brackets; `path` begins with a slash and includes the query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Destination:
    """A target with the addresses that may be connected to, in the resolver's order."""

    target: Target
    addresses: tuple[Address, ...]


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name; raises `OSError` if there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Says where webhooks may go.

    Parameters
    ----------
    allowed
        Networks of the lab that may be called although they are not public, also by plain http.
    resolver
        How names become addresses.
    """

    def __init__(self, allowed: Collection[Network], resolver: Resolver = resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver

    def destination(self, url: str) -> Destination:
        """Take a URL apart and look its name up.

        Raises
        ------
        AddressRefusedError
            It is malformed, its name is not known, or any address of it may not be called.
        """
        target = parse(url)
        addresses = self._addresses(target)
        for address in addresses:
            self._check(target, address)
        return Destination(target, addresses)

    def _addresses(self, target: Target) -> tuple[Address, ...]:
        literal = address_of(target.host)
        if literal is not None:
            return (literal,)
        try:
            found = self._resolver(target.host, target.port)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no answer"
            raise AddressRefusedError(f"The name {target.host!r} cannot be looked up: {reason}.") from None
        addresses = tuple(address for text in found if (address := address_of(text)) is not None)
        if len(addresses) != len(found) or not addresses:
            raise AddressRefusedError(f"The name {target.host!r} has no address that can be called.")
        return addresses

    def _check(self, target: Target, address: Address) -> None:
        if is_within(address, self._allowed):
            return
        if not is_public(address):
            literal = target.host == str(address)
            what = target.host if literal else f"{target.host} leads to {address}, which"
            raise AddressRefusedError(
                f"{what} is not on the public internet. If the lab's own system "
                "listens there, the operator opens its network with WEBHOOK_ALLOWED_NETWORKS."
            )
        if target.scheme != "https":
            raise AddressRefusedError(
                "Use https: plain http is only for the lab's own networks (WEBHOOK_ALLOWED_NETWORKS)."
            )


def parse(url: str) -> Target:
    """Take a URL apart without looking anything up.

    Raises
    ------
    AddressRefusedError
        It is not one that every reader takes apart in the same way.
    """
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>^`{|}'):
        raise AddressRefusedError("Write the URL in ASCII: names in Punycode, other characters as %XX.")
    if len(url) > MAX_URL_CHARACTERS:
        raise AddressRefusedError(f"The URL has more than {MAX_URL_CHARACTERS} characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefusedError(f"The URL cannot be read: {error}.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise AddressRefusedError("Give a whole URL, such as https://lims.example.org/karyobridge.")
    if "@" in parts.netloc:
        raise AddressRefusedError(
            "A URL with a name or password in it is refused: messages are signed instead."
        )
    if "#" in url:
        raise AddressRefusedError("Leave out the part behind '#': it would never be sent.")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Target(parts.scheme, _host_of(parts), _port_of(port, parts.scheme), path)


def _host_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    literal = address_of(host)
    if "[" in parts.netloc or literal is not None:
        # In brackets nothing but an IPv6 address is meant; a zone (%eth0) is local by nature.
        if literal is None or (literal.version == 6) != ("[" in parts.netloc) or "%" in host:  # noqa: PLR2004
            raise AddressRefusedError(f"{host!r} is no address.")
        return str(literal)
    labels = host.split(".")
    plain = all(_LABEL.fullmatch(label) for label in labels) and len(host) <= _MAX_NAME_CHARACTERS
    if not plain or _NUMBER.fullmatch(labels[-1]):
        raise AddressRefusedError(
            f"{host!r} is no name of a computer; write addresses as 192.0.2.7, and names without a last dot."
        )
    return host


def _port_of(port: int | None, scheme: str) -> int:
    if port is None:
        return _PORTS[scheme]
    if port < _FIRST_FREE_PORT and port not in _PORTS.values():
        raise AddressRefusedError(
            "The port must be 80, 443, or 1024 and above: others belong to other services."
        )
    return port
