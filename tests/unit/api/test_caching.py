"""Answers that callers may keep."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.caching import bytes_answer, cache_headers, is_fresh


def request(if_none_match: str = "") -> Request:
    headers = [(b"if-none-match", if_none_match.encode())] if if_none_match else []
    return Request({"type": "http", "method": "GET", "headers": headers})


class TestIsFresh:
    @pytest.mark.parametrize("named", ['"a"', 'W/"a"', '"b", "a"', "*"])
    def test_named_version_is_fresh(self, named: str) -> None:
        """The version that the caller has is recognised in every form of the header."""
        assert is_fresh(request(named), '"a"')

    @pytest.mark.parametrize("named", ["", '"b"', "a"])
    def test_another_is_not(self, named: str) -> None:
        """Another version, or none, is not."""
        assert not is_fresh(request(named), '"a"')


class TestBytesAnswer:
    def test_same_bytes_are_304(self) -> None:
        """Whoever has the bytes gets only the headers."""
        first = bytes_answer(request(), b"x", "image/png", immutable=True)
        again = bytes_answer(request(first.headers["etag"]), b"x", "image/png", immutable=True)

        assert (200, 304, b"") == (first.status_code, again.status_code, again.body)
        assert "private, max-age=31536000, immutable" == again.headers["cache-control"]

    def test_other_bytes_have_another_etag(self) -> None:
        """The ETag tells contents apart."""
        first, second = (bytes_answer(request(), content, "x/y", immutable=False) for content in (b"x", b"y"))

        assert first.headers["etag"] != second.headers["etag"]


class TestCacheHeaders:
    def test_file_name_cannot_break_the_header(self) -> None:
        """A client's file name is reduced to what is safe in a header."""
        headers = cache_headers('"a"', immutable=True, filename='a"\r\nSet-Cookie: x ü.tif')

        assert 'attachment; filename="a___Set-Cookie_ x _.tif"' == headers["Content-Disposition"]
        assert "nosniff" == headers["X-Content-Type-Options"]
