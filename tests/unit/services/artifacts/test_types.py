"""Kinds of artifacts, and which of them may come from elsewhere."""

from __future__ import annotations

import pytest

from services.artifacts.types import ARTIFACT_KINDS, check_kind, check_uploaded
from services.errors import InvalidInputError


class TestKinds:
    def test_known_ones(self) -> None:
        """Each is its own name."""
        assert list(ARTIFACT_KINDS) == [check_kind(kind) for kind in ARTIFACT_KINDS]

    def test_unknown_one(self) -> None:
        """The message names the known ones."""
        with pytest.raises(InvalidInputError, match="generator, filter, study"):
            check_kind("oracle")


class TestUploads:
    @pytest.mark.parametrize("kind", ["segmenter", "classifier", "generator", "filter"])
    def test_of_what_can_be_checked(self, kind: str) -> None:
        """Weights are loaded, and a filter scores what it says it scores."""
        assert kind == check_uploaded(kind)

    def test_of_a_study(self) -> None:
        """Nobody here could tell whether its figures are true."""
        with pytest.raises(InvalidInputError, match=r"cannot be uploaded.*a study job"):
            check_uploaded("study")

    def test_of_an_unknown_kind(self) -> None:
        """It is unknown first."""
        with pytest.raises(InvalidInputError, match="no kind of artifact"):
            check_uploaded("oracle")
