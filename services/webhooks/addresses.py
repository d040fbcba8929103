"""Which network addresses the service may call on somebody's behalf.

Whoever may add a webhook chooses where this machine connects to, from inside the lab's network. So
only addresses of the public internet are called, and those that the operator opened by name.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries, written out: `is_global` differs between releases of Python.
_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "3fff::/20",
        "2620:4f:8000::/48",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


def networks_of(text: str) -> tuple[Network, ...]:
    """Read networks in CIDR notation, separated by commas; nothing is none.

    Raises
    ------
    ValueError
        A part is no network.
    """
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(
            f"WEBHOOK_ALLOWED_NETWORKS holds networks such as 10.20.0.0/16, separated by commas: {error}."
        ) from None


def is_within(address: Address, networks: Collection[Network]) -> bool:
    """Whether an address, or the IPv4 address that it stands for, lies in one of the networks."""
    meant = (address, _carried(address))
    return any(one is not None and one in network for one in meant for network in networks)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and so is what it stands for."""
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def address_of(text: str) -> Address | None:
    """Read an address in its one usual form; None for anything else, such as ``0x7f.1``."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _carried(address: Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at: mapped, 6to4 and NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
