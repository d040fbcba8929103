"""A study's steps follow from its parameters and its data, and from nothing else."""

from __future__ import annotations

import pytest

from services.errors import InvalidInputError
from services.jobs.params import StudyParams
from services.studies.planning import planned
from tests.support.study_items import SOUND

PARAMS = StudyParams(name="s", dataset="d/1", size="quick", arms=("augmented", "augmented-bbdm"), num_seeds=1)


def keys(params: StudyParams, sha256: str = "0" * 64) -> list[str]:
    """Return the keys of a study's steps."""
    return [step.key for step in planned(params, sha256, SOUND, {}).plan.steps]


class TestPlanned:
    def test_same_study_same_keys(self) -> None:
        """Whatever it is called, and whoever describes it."""
        renamed = PARAMS.model_copy(update={"name": "other", "description": "again", "licence": "CC0"})

        assert keys(PARAMS) == keys(renamed)

    def test_other_data_other_keys(self) -> None:
        """No step of one data set stands for one of another."""
        assert not set(keys(PARAMS)) & set(keys(PARAMS, "1" * 64))

    def test_parameters_win_over_the_size(self) -> None:
        """What is named is used; what is not is the size's own."""
        settings = planned(PARAMS.model_copy(update={"steps": 7}), "0" * 64, SOUND, {}).plan.settings

        assert (7, 1, 32) == (settings.steps, settings.num_seeds, settings.canvas_px)

    def test_unknown_slide(self) -> None:
        """Is named, with those that there are."""
        params = PARAMS.model_copy(update={"leave_out": {"line": ("nobody",)}})

        with pytest.raises(InvalidInputError, match="no group 'nobody'; its groups are a, b, t, u, v"):
            planned(params, "0" * 64, SOUND, {})

    def test_nothing_left_to_learn_from(self) -> None:
        """A condition that takes every training slide away cannot be trained."""
        params = PARAMS.model_copy(update={"leave_out": {"both": ("a", "b")}})

        with pytest.raises(InvalidInputError, match="'without-both'"):
            planned(params, "0" * 64, SOUND, {})
