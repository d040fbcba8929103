"""From what a client asks for to the steps of a study, the same way when it is planned and when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.study.conditions import conditions_of
from models.study.plan import ConditionFacts, Plan, plan_of
from models.study.sizes import settings_of
from services.datasets.types import DatasetItem
from services.jobs.params import StudyParams
from services.studies.facts import facts_of


@dataclass(frozen=True)
class Planned:
    """A study's steps, and by condition what its data set holds for them."""

    plan: Plan
    facts: Mapping[str, ConditionFacts]


def planned(
    params: StudyParams,
    dataset_sha256: str,
    items: Sequence[DatasetItem],
    generators: Mapping[str, Mapping[str, str]],
) -> Planned:
    """Plan a study on the items of a data set version.

    Parameters
    ----------
    dataset_sha256
        Of the version's content.
    generators
        By condition and method, the sha256 of artifact versions that are used instead of new networks.

    Raises
    ------
    InvalidInputError
        A group is not in the data set, or a condition has too little to learn from.
    """
    conditions = conditions_of(params.leave_out, params.aberration_counts)
    facts = facts_of(items, conditions)
    plan = plan_of(
        settings_of(params.size, params.model_dump()),
        conditions,
        dataset_sha256=dataset_sha256,
        facts=facts,
        seed=params.seed,
        generators=generators,
    )
    return Planned(plan, facts)
