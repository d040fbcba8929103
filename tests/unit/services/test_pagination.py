"""Cursor lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidInputError
from services.pagination import PageRequest, decode_cursor, encode_cursor, make_page


class TestMakePage:
    def test_an_extra_item_proves_that_more_follow(self) -> None:
        """The cursor names the last item shown."""
        page = make_page(["a", "b", "c"], limit=2, key_of=str)

        assert page.items == ("a", "b")
        assert page.next_cursor is not None
        assert decode_cursor(page.next_cursor) == "b"

    def test_the_last_page_has_no_cursor(self) -> None:
        """A client stops when there is none."""
        assert make_page(["a", "b"], limit=2, key_of=str).next_cursor is None

    def test_an_empty_list_is_a_page(self) -> None:
        """Nothing found is no error."""
        assert make_page([], limit=2, key_of=str).items == ()


class TestCursor:
    @given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=80))
    def test_any_printable_key_survives(self, key: str) -> None:
        """Encoding and decoding are inverse."""
        assert key == decode_cursor(encode_cursor(key))

    @pytest.mark.parametrize("cursor", ["?", "%%%", "AA==A", "\u00e9", "", "AA"])
    def test_a_made_up_cursor_is_refused(self, cursor: str) -> None:
        """A wrong cursor is the client's error and names its field."""
        with pytest.raises(InvalidInputError) as caught:
            _ = PageRequest(cursor=cursor).after

        assert caught.value.field == "cursor"
