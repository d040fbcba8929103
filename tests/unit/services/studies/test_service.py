"""What a plan's estimate stands on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from models.study.costs import REFERENCE_PACES
from services.artifacts.types import ArtifactVersion
from services.studies.service import paces_of


def study(**manifest: Any) -> ArtifactVersion:
    """Return a study with this manifest."""
    return ArtifactVersion("study", "s", 4, manifest, {}, "0" * 64, 1, None, datetime.now(UTC))


class TestPaces:
    @pytest.mark.parametrize("newest", [None, study(), study(paces={})])
    def test_of_another_machine(self, newest: ArtifactVersion | None) -> None:
        """Where no study has run here, or none that measured anything."""
        paces, basis = paces_of(newest)

        assert REFERENCE_PACES == paces
        assert "not here" in basis

    def test_of_this_one(self) -> None:
        """What the newest study measured wins; what it did not do is still reckoned with."""
        paces, basis = paces_of(study(paces={"train": 1.0}, environment={"device": "cpu"}))

        assert (1.0, REFERENCE_PACES["embed"]) == (paces["train"], paces["embed"])
        assert "measured by study s/4 on cpu" == basis

    def test_of_a_machine_without_a_name(self) -> None:
        """It was here all the same."""
        assert "on this installation" in paces_of(study(paces={"train": 1.0}))[1]
