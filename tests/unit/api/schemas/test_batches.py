"""The text fields of an upload."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from api.schemas.batches import BatchForm

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


class TestMetadata:
    @settings(max_examples=50, deadline=None)
    @given(st.dictionaries(TEXT, JSON_VALUES, max_size=4))
    def test_any_object_comes_through(self, value: dict[str, object]) -> None:
        """Whatever JSON object Postgres can store is kept as it is."""
        assert value == BatchForm.model_validate({"sample": "S", "metadata": json.dumps(value)}).metadata

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "1",
            "null",
            '{"a": NaN}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
            '{"a": "\\u0000"}',
            '{"\\u0000": 1}',
            '{"a": ["\\ud800"]}',
            '{"a": ' + "[" * 20 + "]" * 20 + "}",
            '{"a": ' + "[" * 100_000,
            '{"a": ' + "9" * 5000 + "}",
        ],
    )
    def test_what_cannot_be_stored_is_refused(self, text: str) -> None:
        """JSON that Postgres cannot store, and what is no JSON object, is refused."""
        with pytest.raises(ValidationError) as caught:
            BatchForm.model_validate({"sample": "S", "metadata": text})

        assert ("metadata",) == caught.value.errors()[0]["loc"]


class TestSample:
    @pytest.mark.parametrize("sample", ["", "   ", "a\0b", "a\nb", "\u202e", "x" * 201])
    def test_is_one_printable_line(self, sample: str) -> None:
        """An accession that nobody could read or type is refused."""
        with pytest.raises(ValidationError):
            BatchForm.model_validate({"sample": sample})

    def test_space_around_it_is_dropped(self) -> None:
        """Space around an accession is nobody's intention."""
        assert "S 1" == BatchForm.model_validate({"sample": " S 1 "}).sample
