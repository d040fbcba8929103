from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from services.config import Settings
from services.webhooks.addresses import is_public, is_within, networks_of
from services.webhooks.errors import AddressRefusedError
from services.webhooks.guard import Guard, parse, resolve

PUBLIC = "93.184.216.34"


def naming(*addresses: str) -> Guard:
    """A guard for whom every name has these addresses, and who opens nothing."""
    return Guard((), lambda _host, _port: list(addresses))


def unresolved(host: str, _port: int) -> Sequence[str]:
    raise AssertionError(f"{host} must not be looked up")


class TestWrittenForms:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://lims.example/",
            "file:///etc/passwd",
            "//lims.example/",
            "lims.example",
            "",
            "https://",
            "https:///path",
            "https://user:pw@lims.example/",
            "https://lims.example@127.0.0.1/",
            "https://127.0.0.1#@lims.example/",
            "https://lims.example/#part",
            "https://lims.example\\@127.0.0.1/",
            "https://lims.example\t/",
            "https://lims.example/a b",
            " https://lims.example/",
            "https://lims.example/\r\nX-Injected: 1",
            "https://l\u00efms.example/",
            "https://\uff11\uff12\uff17.0.0.1/",  # full-width digits, which become 127
            "https://lims.example:0/",
            "https://lims.example:22/",
            "https://lims.example:99999/",
            "https://lims.example:80:443/",
            "https://lims.example./",
            "https://localhost./",
            "https://.lims.example/",
            "https://lims..example/",
            "https://-lims.example/",
            f"https://{'a' * 64}.example/",
            f"https://{'a.' * 127}example/",
            f"https://lims.example/{'a' * 2048}",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://127.0.0.1.1/",
            "https://lims.0x10/",
            "https://[::ffff:127.0.0.1/",
            "https://[fe80::1%25eth0]/",
            "https://[lims.example]/",
            "https://[v1.a]/",
            "https://[::1]evil.example/",
            "https://*.example/",
        ],
    )
    def test_ambiguous_or_odd_urls_are_refused_unseen(self, url: str) -> None:
        """What two readers could take apart differently is not looked up at all."""
        with pytest.raises(AddressRefusedError):
            Guard((), unresolved).destination(url)

    def test_plain_url_is_taken_apart(self) -> None:
        """Name, port, path and query are sent as they were given."""
        target = parse("https://LIMS-1.example.org:8443/a%20b/c?x=1&y=%2F")

        assert ("https", "lims-1.example.org", 8443, "/a%20b/c?x=1&y=%2F") == (
            target.scheme,
            target.host,
            target.port,
            target.path,
        )
        assert "lims-1.example.org:8443" == target.authority
        assert ("/", "[2606:4700::1]") == (
            parse("https://[2606:4700::1]").path,
            parse("https://[2606:4700::1]").authority,
        )


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:0101::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ],
    )
    def test_what_is_not_public_is_refused(self, address: str) -> None:
        """Written out or behind a name, alone or beside a public one: any such address is enough."""
        literal = f"[{address}]" if ":" in address else address
        with pytest.raises(AddressRefusedError, match="not on the public internet"):
            Guard((), unresolved).destination(f"https://{literal}/")
        with pytest.raises(AddressRefusedError, match="WEBHOOK_ALLOWED_NETWORKS"):
            naming(address).destination("https://lims.example/")
        with pytest.raises(AddressRefusedError):
            naming(PUBLIC, address).destination("https://lims.example/")

    @pytest.mark.parametrize(
        "address",
        [
            PUBLIC,
            "1.1.1.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ],
    )
    def test_what_is_public_is_called(self, address: str) -> None:
        """Ordinary addresses pass, also as networks without IPv4 write them."""
        assert is_public(ip_address(address))
        assert (ip_address(address),) == naming(address).destination("https://lims.example/").addresses

    def test_plain_http_is_only_for_opened_networks(self) -> None:
        """In clear a message may cross the lab's own network, and no other."""
        lab = Guard(networks_of("10.20.0.0/16, 192.168.7.9/32"), lambda _host, _port: ["10.20.3.4"])

        assert 80 == lab.destination("http://lims/").target.port
        with pytest.raises(AddressRefusedError, match="Use https"):
            naming(PUBLIC).destination("http://lims.example/")
        with pytest.raises(AddressRefusedError):
            lab.destination("https://192.168.7.8/")

    def test_opened_network_holds_mapped_addresses(self) -> None:
        """An opened IPv4 network is opened in whichever form its addresses come."""
        networks = networks_of("10.20.0.0/16,fd00:7::/32")

        assert is_within(ip_address("::ffff:10.20.0.1"), networks)
        assert is_within(ip_address("fd00:7::1"), networks)
        assert not is_within(ip_address("::ffff:10.21.0.1"), networks)

    @pytest.mark.parametrize("text", ["10.0.0.1/8", "lims.example", "10.0.0.0/33", "10.0.0.0/8;10.1.0.0/16"])
    def test_wrong_networks_stop_the_start(self, text: str) -> None:
        """A misspelt network is named at the start instead of opening something else."""
        with pytest.raises(ValidationError, match="WEBHOOK_ALLOWED_NETWORKS"):
            Settings(_env_file=None, webhook_allowed_networks=text)


class TestNames:
    def test_localhost_is_loopback(self) -> None:
        """The system's own resolver is asked, and what it says is judged."""
        with pytest.raises(AddressRefusedError, match="not on the public internet"):
            Guard((), resolve).destination("https://localhost/")

    def test_unknown_name_is_refused_with_the_reason(self) -> None:
        """A typing error in a name is found out when the webhook is made."""

        def fails(_host: str, _port: int) -> Sequence[str]:
            raise OSError(-2, "Name or service not known")

        with pytest.raises(AddressRefusedError, match="cannot be looked up: Name or service not known"):
            Guard((), fails).destination("https://limz.example/")

    @pytest.mark.parametrize("found", [[], ["not an address"], [PUBLIC, "?"]])
    def test_unreadable_answer_is_refused(self, found: list[str]) -> None:
        """Nothing is called that was not understood."""
        with pytest.raises(AddressRefusedError, match="no address"):
            naming(*found).destination("https://lims.example/")
