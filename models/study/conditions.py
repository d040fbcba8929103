"""Conditions of a study: which real crops there are to learn from, and which to be held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ALL: Final = "all"
WITHOUT: Final = "without-"
ABERRATIONS: Final = "aberrations-"
MAX_NAME: Final = 40


@dataclass(frozen=True)
class Condition:
    """What a training may know.

    Attributes
    ----------
    name
        ``all``, ``without-<name>`` or ``aberrations-<number>``.
    left_out_groups
        Kept out of training and validation, and scored apart.
    max_aberrations
        How many training aberrations there are at most; None: all.
    """

    name: str
    title: str
    left_out_groups: tuple[str, ...] = ()
    max_aberrations: int | None = None


def conditions_of(
    leave_out: Mapping[str, Sequence[str]], aberration_counts: Sequence[int]
) -> tuple[Condition, ...]:
    """List the conditions of a study: the whole data set, then left-out groups, then fewer aberrations."""
    return (
        Condition(ALL, "All training groups"),
        *(
            Condition(f"{WITHOUT}{name}", f"Without {name}", tuple(sorted(groups)))
            for name, groups in leave_out.items()
        ),
        *(
            Condition(f"{ABERRATIONS}{count}", f"{count} aberrations", max_aberrations=count)
            for count in sorted(aberration_counts)
        ),
    )
