"""What should be known before a study is started: what it cannot prove, and what it costs the test split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.study.conditions import Condition
from models.study.plan import Plan
from models.study.sizes import PROVES_NOTHING
from services.datasets.types import DatasetItem, DatasetVersion
from services.jobs.params import StudyParams
from services.studies.facts import LEFT_OUT, UNLABELLED, split_of

_NAMED: Final = 5
_FEWEST_GROUPS: Final = 2
_WHOEVER_CHANGES: Final = (
    "Whoever changes something after such a look fits to it; the report tells how often it happened."
)
_NO_SLIDES: Final = (
    "how results differ from slide to slide cannot be told, only how they differ from chromosome to "
    "chromosome."
)
_NORMALS_TWICE: Final = (
    "The train split has no unlabelled crops: synthetic ones are made from its normals, which classifiers "
    "learn from as well."
)


def warnings_of(
    params: StudyParams,
    dataset: DatasetVersion,
    items: Sequence[DatasetItem],
    plan: Plan,
    earlier_studies: Sequence[str],
) -> list[str]:
    """Tell, in words, what a reader of the report will have to know."""
    told = []
    if params.size in PROVES_NOTHING:
        told.append(f"The size {params.size} shows what a report looks like. Its figures prove nothing.")
    if dataset.simulated:
        told.append("The data are simulated: nothing follows for real chromosomes.")
    told += _earlier(earlier_studies)
    for condition in plan.conditions:
        told += _held_out(items, condition, LEFT_OUT if condition.left_out_groups else "test")
    if any(arm.synthetic for arms in plan.arms.values() for arm in arms):
        told += _sources(items)
    return told


def _earlier(refs: Sequence[str]) -> list[str]:
    if not refs:
        return []
    more = f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else ""
    known = ", ".join(refs[:_NAMED])
    return [f"The test split of this data was looked at before, by {known}{more}. {_WHOEVER_CHANGES}"]


def _held_out(items: Sequence[DatasetItem], condition: Condition, split: str) -> list[str]:
    mine = [item for item in items if split_of(item, condition) == split and item.item_class != UNLABELLED]
    missing = {"normal", "aberration"} - {item.item_class for item in mine}
    where = f"{split.replace('_', ' ')} split of the condition {condition.name!r}"
    if missing:
        return [f"The {where} has no {' and no '.join(sorted(missing))} crops: nothing can be scored there."]
    if len({item.group for item in mine if item.item_class == "aberration"}) < _FEWEST_GROUPS:
        return [f"The aberrations of the {where} are from one slide: {_NO_SLIDES}"]
    return []


def _sources(items: Sequence[DatasetItem]) -> list[str]:
    if any(item.item_class == UNLABELLED and item.split == "train" for item in items):
        return []
    return [_NORMALS_TWICE]
