"""Origins, hosts and proxies in the settings are right, or nothing starts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.addresses import entries_of, host_allowed
from services.config import Settings


def settings(**given: str) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


class TestOrigins:
    @pytest.mark.parametrize(
        "origins",
        ["", "https://lims.example.org", "https://a.org:8443, http://b:80,http://[::1]:3000"],
    )
    def test_exact_ones_are_taken(self, origins: str) -> None:
        """A list of whole origins, with or without a port, is what browsers send."""
        assert origins == settings(cors_origins=origins).cors_origins

    @pytest.mark.parametrize(
        "origins",
        [
            "*",
            "null",
            "https://*.example.org",
            "https://a.org/",
            "https://a.org/path",
            "https://a.org?x",
            "https://a.org#x",
            "https://user@a.org",
            "https://a.org:port",
            "https://a.org:99999",
            "HTTPS://a.org",
            "ftp://a.org",
            "https://",
            "https://a.org https://b.org",
            "https://a.org,*",
        ],
    )
    def test_anything_wider_is_refused(self, origins: str) -> None:
        """A wildcard, or what no browser ever sends, is told at the start and not by a page that fails."""
        with pytest.raises(ValidationError, match="exact origin"):
            settings(cors_origins=origins)

    def test_public_endpoint_is_one_origin(self) -> None:
        """Links are made for a server, without a path of their own."""
        assert "https://s3.example.org" == (
            settings(object_store_public_endpoint="https://s3.example.org").object_store_public_endpoint
        )
        with pytest.raises(ValidationError, match="exact origin"):
            settings(object_store_public_endpoint="https://s3.example.org/bucket")


class TestHosts:
    @pytest.mark.parametrize("hosts", ["a.org:80", "https://a.org", "A.org", "*", "a.*.org", "a b"])
    def test_what_is_no_host_name_is_refused(self, hosts: str) -> None:
        """A port, a scheme or a stray star would never match, and lock everybody out."""
        with pytest.raises(ValidationError, match="no host name"):
            settings(allowed_hosts=hosts)

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("a.org", True),
            ("A.ORG:8000", True),
            ("x.b.org", True),
            ("b.org", False),
            ("evil-a.org", False),
            ("a.org.evil.org", False),
            ("[::1]:8000", True),
            ("", False),
        ],
    )
    def test_names_are_compared_whole(self, host: str, allowed: bool) -> None:  # noqa: FBT001 - a table
        """A star stands for names below it, the port does not count, and nothing is a part of anything."""
        assert allowed == host_allowed(host, entries_of("a.org, *.b.org,[::1]"))


class TestOthers:
    @pytest.mark.parametrize("proxies", ["localhost", "10.0.0.300", "10.0.0.1/8", "*,x"])
    def test_a_proxy_is_an_address(self, proxies: str) -> None:
        """A name that is not resolved, or a network with bits to spare, would trust nobody."""
        with pytest.raises(ValidationError, match="address of a proxy"):
            settings(forwarded_allow_ips=proxies)

    def test_requests_are_counted_in_redis_or_here(self) -> None:
        """Other stores are not supported, and the message does not show the password."""
        with pytest.raises(ValidationError, match="redis://") as refused:
            settings(rate_limit_storage_url="memcached://user:secret-word@host")

        assert "secret-word" not in str(refused.value)
