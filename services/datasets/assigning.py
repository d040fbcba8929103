"""Gives every item its split: by the rule that was asked for, or by the names of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.datasets.errors import Findings, InvalidDatasetError
from services.datasets.splits import stratified_split
from services.datasets.types import SPLITS, NamedSplits, NewItem, SplitFractions
from services.images.errors import shown


def split_items(items: Sequence[NewItem], wanted: SplitFractions | NamedSplits) -> list[NewItem]:
    """Return the items with their splits.

    Raises
    ------
    InvalidDatasetError
        A named group is not in the selection, is named twice, or one is not named at all.
    InvalidInputError
        The groups allow no such split; the message says what to do.
    """
    groups = sorted({item.group for item in items})
    if isinstance(wanted, NamedSplits):
        split_of = _named(groups, wanted)
    else:
        linked = _linked(items)
        units = stratified_split(
            [linked[item.group] for item in items], [item.item_class for item in items], wanted
        )
        split_of = {group: units[linked[group]] for group in groups}
    return [replace(item, split=split_of[item.group]) for item in items]


def _named(groups: Sequence[str], wanted: NamedSplits) -> dict[str, str]:
    findings = Findings()
    split_of: dict[str, str] = {}
    for split in SPLITS:
        for group in getattr(wanted, split):
            if group in split_of:
                findings.add(shown(group), f"is named for {split_of[group]} and for {split}.")
            elif group not in groups:
                findings.add(shown(group), f"is named for {split}, but no selected crop belongs to it.")
            split_of.setdefault(group, split)
    for group in groups:
        if group not in split_of:
            findings.add(shown(group), "is a group of the selection, but no split names it.")
    if findings:
        raise InvalidDatasetError(findings, "Name every group of the selection once.")
    return split_of


def _linked(items: Sequence[NewItem]) -> dict[str, str]:
    """Groups that share a chromosome or a picture move together: one name for all of them.

    Without group information every file is a group, and three views of one chromosome are three files.
    """
    parent = {item.group: item.group for item in items}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    first: dict[tuple[str, str], str] = {}
    for item in items:
        for key in (("chromosome", item.chromosome), ("picture", item.sha256)):
            one, other = root(first.setdefault(key, item.group)), root(item.group)
            # The smaller name wins, so that the answer does not depend on the items' order.
            parent[max(one, other)] = min(one, other)
    return {group: root(group) for group in parent}
