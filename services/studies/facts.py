"""What a data set version holds for a study: crops, groups and sources of each condition."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from models.study.arms import GENERATORS, GeneratorName
from models.study.conditions import Condition
from models.study.plan import ConditionFacts, Plan
from services.datasets.types import SPLITS, DatasetItem
from services.errors import InvalidInputError

LEFT_OUT: Final = "left_out"
UNLABELLED: Final = "unlabelled"
MIN_ABERRATIONS: Final = 2
MIN_FILTERED: Final = 10
"""Aberrations that a filter is fitted on at least, as `models.filtering` wants."""
MIN_MAPPED: Final = 16
"""Crops of both classes that its map needs: one more than a crop has neighbours there."""


def split_of(item: DatasetItem, condition: Condition) -> str:
    """Return where a crop lies in a condition: its split, or ``left_out``."""
    return LEFT_OUT if item.group in condition.left_out_groups else item.split


def source_items(
    items: Sequence[DatasetItem], condition: Condition, method: GeneratorName, seed: int
) -> list[DatasetItem]:
    """List the crops that a generator may start from, in a random order that follows from their pixels.

    Those of training alone: what is made of a test slide's chromosome would bring its DAPI into training.
    Networks take crops that nobody labelled where there are some, else normals, as in the paper. The
    painter needs a chromosome of one colour, or of none, and takes both.
    """
    train = [item for item in items if split_of(item, condition) == "train"]
    wanted = _source_classes(method, {item.item_class for item in train})
    chosen = [item for item in train if item.item_class in wanted]
    return sorted(chosen, key=lambda item: (_draw(seed, item.sha256), item.position))


def facts_of(items: Sequence[DatasetItem], conditions: Sequence[Condition]) -> dict[str, ConditionFacts]:
    """Count what each condition holds.

    Raises
    ------
    InvalidInputError
        A group is not in the data set, or a condition has too little to learn from; the message says what
        to change.
    """
    groups = {item.group for item in items}
    facts = {}
    for condition in conditions:
        unknown = sorted(set(condition.left_out_groups) - groups)
        if unknown:
            raise InvalidInputError(
                f"The data set has no group {unknown[0]!r}; its groups are {', '.join(sorted(groups)[:30])}.",
                "leave_out",
            )
        facts[condition.name] = _facts(items, condition)
    return facts


def check_filters(plan: Plan, facts: Mapping[str, ConditionFacts]) -> None:
    """Make sure, before anything is trained, that the filters of a plan can be fitted.

    Raises
    ------
    InvalidInputError
        A condition has too few crops for the filters of its arms; the message says what to change.
    """
    for condition in plan.conditions:
        if not any(arm.filter_methods for arm in plan.arms[condition.name]):
            continue
        aberrations = facts[condition.name].train_aberrations
        crops = plan.normals[condition.name] + aberrations
        if aberrations < MIN_FILTERED or crops < MIN_MAPPED:
            raise InvalidInputError(
                f"In the condition {condition.name!r} training has {aberrations} aberrations among {crops} "
                f"crops; a filter needs {MIN_FILTERED} among {MIN_MAPPED}. Annotate more, choose larger "
                "aberration_counts, or choose arms and condition_arms without a filter.",
                "dataset",
            )


def counts_of(items: Sequence[DatasetItem], condition: Condition) -> dict[str, Any]:
    """Count crops, chromosomes and groups by split, as the report shows them."""
    told: dict[str, Any] = {}
    for split in (*SPLITS, *((LEFT_OUT,) if condition.left_out_groups else ())):
        mine = [item for item in items if split_of(item, condition) == split]
        told[split] = {"groups": sorted({item.group for item in mine})}
        for name in ("normal", "aberration"):
            crops = [item for item in mine if item.item_class == name]
            told[split][name] = len(crops)
            told[split][f"{name}_chromosomes"] = len({(item.group, item.chromosome) for item in crops})
    if condition.max_aberrations is not None:
        train = told["train"]
        train["aberration"] = min(train["aberration"], condition.max_aberrations)
        train["aberration_chromosomes"] = None  # whole chromosomes are drawn by the seed
    return told


def unlabelled_of(items: Sequence[DatasetItem]) -> Mapping[str, int]:
    """Count crops without a verdict, and their groups."""
    mine = [item for item in items if item.item_class == UNLABELLED]
    return {"crops": len(mine), "groups": len({item.group for item in mine})}


def _facts(items: Sequence[DatasetItem], condition: Condition) -> ConditionFacts:
    counted = Counter((split_of(item, condition), item.item_class) for item in items)
    aberrations = counted["train", "aberration"]
    if condition.max_aberrations is not None:
        aberrations = min(aberrations, condition.max_aberrations)
    normals = counted["train", "normal"]
    if aberrations < MIN_ABERRATIONS or not normals:
        raise InvalidInputError(
            f"In the condition {condition.name!r} training has {aberrations} aberrations and {normals} "
            f"normals; at least {MIN_ABERRATIONS} aberrations and one normal are needed. Annotate more "
            "crops, or leave other groups out.",
            "dataset",
        )
    if not counted["val", "aberration"] or not counted["val", "normal"]:
        raise InvalidInputError(
            f"In the condition {condition.name!r} validation lacks one of the classes: thresholds are chosen "
            "there. Choose other splits, or leave other groups out.",
            "dataset",
        )
    scored = sum(
        count
        for (split, name), count in counted.items()
        if split != "train" and name in ("normal", "aberration")
    )
    train = {name: count for (split, name), count in counted.items() if split == "train"}
    sources = {
        method: sum(train[name] for name in _source_classes(method, train.keys()) & train.keys())
        for method in GENERATORS
    }
    return ConditionFacts(normals, aberrations, scored, sources)


def _source_classes(method: GeneratorName, there: Collection[str]) -> set[str]:
    """Classes that a generator starts from, of those that training has."""
    if method == "painted":
        return {"normal", UNLABELLED}
    return {UNLABELLED} if UNLABELLED in there else {"normal"}


def _draw(seed: int, sha256: str) -> bytes:
    return hashlib.sha256(f"{seed} {sha256}".encode()).digest()
