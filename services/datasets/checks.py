"""What is true of a frozen data set before anybody may learn from it."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from services.datasets.errors import DatasetLeakageError, Findings, InvalidDatasetError
from services.datasets.types import ITEM_CLASSES, SPLITS, NewItem
from services.images.errors import shown

MAX_NAMES = 200  # of groups, in what a version tells of itself
_SHOWN_ITEMS = 3


def check_labels(items: Sequence[NewItem]) -> None:
    """Refuse crops of the same pixels under two classes; raises `InvalidDatasetError`."""
    findings = Findings()
    for same in _by(items, lambda item: item.sha256).values():
        classes = sorted({item.item_class for item in same})
        if len(classes) > 1:
            findings.add(_named(same), f"are the same picture with the classes {' and '.join(classes)}.")
    if findings:
        raise InvalidDatasetError(findings)


def check_leakage(items: Sequence[NewItem]) -> None:
    """Refuse whatever lies in two splits; raises `DatasetLeakageError` with the list."""
    findings = Findings()
    for what, key_of in _SHARED.items():
        for key, same in _by(items, key_of).items():
            splits = sorted({item.split for item in same}, key=SPLITS.index)
            if len(splits) > 1:
                examples = [next(item for item in same if item.split == split) for split in splits]
                where = f"group {shown(key)}" if what == "group" else _named(examples)
                findings.add(where, f"The same {what} is in {' and '.join(splits)}.")
    if findings:
        raise DatasetLeakageError(
            findings, "Keep whatever belongs to one slide or subject in one split, and send it again."
        )


_SHARED: dict[str, Callable[[NewItem], str]] = {
    "group": lambda item: item.group,
    "picture": lambda item: item.sha256,
    "chromosome": lambda item: item.chromosome,
}


def warnings_of(items: Sequence[NewItem]) -> list[str]:
    """What is allowed and yet worth a look."""
    warnings = []
    repeated = [same for same in _by(items, lambda item: item.sha256).values() if len(same) > 1]
    if repeated:
        crops = sum(len(same) - 1 for same in repeated)
        warnings.append(
            f"{crops} crop(s) repeat the pixels of another in their split, first {_named(repeated[0])}."
        )
    counts = counts_of(items)
    labelled = [split for split in SPLITS if counts[split]["normal"] or counts[split]["aberration"]]
    for split in labelled:
        absent = [label for label in ("normal", "aberration") if not counts[split][label]]
        warnings += [f"{split} holds no crop of class {label}." for label in absent]
    return warnings


def counts_of(items: Sequence[NewItem]) -> dict[str, dict[str, int]]:
    """Items per split and class."""
    counts = _zeros()
    for item in items:
        counts[item.split][item.item_class] += 1
    return counts


def chromosomes_of(items: Sequence[NewItem]) -> dict[str, dict[str, int]]:
    """Chromosomes per split and class: one that is shown in three views counts once."""
    counts = _zeros()
    for split, item_class, _ in {(item.split, item.item_class, item.chromosome) for item in items}:
        counts[split][item_class] += 1
    return counts


def groups_of(items: Sequence[NewItem]) -> dict[str, dict[str, Any]]:
    """How many groups each split has, and the names of the first ones."""
    names: dict[str, set[str]] = {split: set() for split in SPLITS}
    for item in items:
        names[item.split].add(item.group)
    return {
        split: {"count": len(found), "names": sorted(found)[:MAX_NAMES]} for split, found in names.items()
    }


def content_sha256(items: Sequence[NewItem]) -> str:
    """One hash over all items, in whatever order they come."""
    digest = hashlib.sha256()
    for entry in sorted((i.sha256, i.item_class, i.split, i.group, i.chromosome) for i in items):
        digest.update(json.dumps(entry).encode() + b"\n")
    return digest.hexdigest()


def _zeros() -> dict[str, dict[str, int]]:
    return {split: dict.fromkeys(ITEM_CLASSES, 0) for split in SPLITS}


def _by(items: Sequence[NewItem], key_of: Callable[[NewItem], str]) -> dict[str, list[NewItem]]:
    found: dict[str, list[NewItem]] = defaultdict(list)
    for item in items:
        found[key_of(item)].append(item)
    return found


def _named(items: Sequence[NewItem]) -> str:
    names = [shown(item.name) for item in items[:_SHOWN_ITEMS]]
    return ", ".join(names) + (f" and {len(items) - _SHOWN_ITEMS} more" if len(items) > _SHOWN_ITEMS else "")
