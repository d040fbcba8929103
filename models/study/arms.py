"""The arms of a study: ways of training that are compared, each a line in one table.

An arm says how real crops are treated and which synthetic ones are added. Everything else, the number of
optimiser steps first of all, is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

GeneratorName = Literal["bbdm", "cyclegan", "painted"]
Remedy = Literal["none", "weights", "over_sampling"]
Selection = Literal["all", "umap", "mahalanobis", "knn", "probability", "random"]
ArmName = Literal[
    "real",
    "real-weights",
    "real-oversampled",
    "augmented",
    "augmented-weights",
    "augmented-oversampled",
    "real-painted",
    "real-bbdm",
    "real-cyclegan",
    "augmented-bbdm",
    "augmented-bbdm-filtered",
    "augmented-bbdm-random",
    "augmented-bbdm-mahalanobis",
    "augmented-bbdm-knn",
    "augmented-bbdm-probability",
    "augmented-painted",
    "augmented-painted-filtered",
    "augmented-bbdm-painted",
    "oversampled-bbdm-filtered",
    "oversampled-painted",
    "oversampled-painted-filtered",
]

GENERATORS: Final[tuple[GeneratorName, ...]] = get_args(GeneratorName)
FILTERS: Final[tuple[Selection, ...]] = ("umap", "mahalanobis", "knn", "probability")
REFERENCE: Final[ArmName] = "augmented"
PAPERS_ARM: Final[ArmName] = "augmented-bbdm-filtered"


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes
    ----------
    title
        For tables and figures.
    augmented
        Whether training crops are varied (flips, turns, shifts and what else the recipe says).
    remedy
        A simple one against the imbalance, without synthetic crops: weights in the loss, or drawing
        both classes equally often.
    synthetic
        Generators whose crops are added to the aberrations; none for real crops alone.
    selection
        Which of them: all, those that a filter lets in, or as many as the UMAP filter lets in, drawn at
        random. The latter is the control that tells "filtered" from "fewer".
    """

    name: ArmName
    title: str
    augmented: bool = False
    remedy: Remedy = "none"
    synthetic: tuple[GeneratorName, ...] = ()
    selection: Selection = "all"

    @property
    def filter_methods(self) -> tuple[Selection, ...]:
        """The filters that have to be fitted before this arm can be trained."""
        if not self.synthetic or self.selection == "all":
            return ()
        return ("umap",) if self.selection == "random" else (self.selection,)


def _all() -> tuple[Arm, ...]:
    bbdm: tuple[GeneratorName, ...] = ("bbdm",)
    painted: tuple[GeneratorName, ...] = ("painted",)
    return (
        Arm("real", "Real"),
        Arm("real-weights", "Real, class weights", remedy="weights"),
        Arm("real-oversampled", "Real, over-sampled", remedy="over_sampling"),
        Arm("augmented", "Real augmented", augmented=True),
        Arm("augmented-weights", "Real augmented, class weights", augmented=True, remedy="weights"),
        Arm("augmented-oversampled", "Real augmented, over-sampled", augmented=True, remedy="over_sampling"),
        Arm("real-painted", "Real + painted", synthetic=painted),
        Arm("real-bbdm", "Real + BBDM", synthetic=bbdm),
        Arm("real-cyclegan", "Real + CycleGAN", synthetic=("cyclegan",)),
        Arm("augmented-bbdm", "Real augmented + BBDM", augmented=True, synthetic=bbdm),
        Arm(
            "augmented-bbdm-filtered",
            "Real augmented + BBDM, UMAP-filtered",
            augmented=True,
            synthetic=bbdm,
            selection="umap",
        ),
        Arm(
            "augmented-bbdm-random",
            "Real augmented + BBDM, as many at random",
            augmented=True,
            synthetic=bbdm,
            selection="random",
        ),
        Arm(
            "augmented-bbdm-mahalanobis",
            "Real augmented + BBDM, Mahalanobis-filtered",
            augmented=True,
            synthetic=bbdm,
            selection="mahalanobis",
        ),
        Arm(
            "augmented-bbdm-knn",
            "Real augmented + BBDM, kNN-filtered",
            augmented=True,
            synthetic=bbdm,
            selection="knn",
        ),
        Arm(
            "augmented-bbdm-probability",
            "Real augmented + BBDM, probability-filtered",
            augmented=True,
            synthetic=bbdm,
            selection="probability",
        ),
        Arm("augmented-painted", "Real augmented + painted", augmented=True, synthetic=painted),
        Arm(
            "augmented-painted-filtered",
            "Real augmented + painted, UMAP-filtered",
            augmented=True,
            synthetic=painted,
            selection="umap",
        ),
        Arm(
            "augmented-bbdm-painted",
            "Real augmented + BBDM + painted",
            augmented=True,
            synthetic=("bbdm", "painted"),
        ),
        Arm(
            "oversampled-bbdm-filtered",
            "Real augmented, over-sampled + BBDM, UMAP-filtered",
            augmented=True,
            remedy="over_sampling",
            synthetic=bbdm,
            selection="umap",
        ),
        Arm(
            "oversampled-painted",
            "Real augmented, over-sampled + painted",
            augmented=True,
            remedy="over_sampling",
            synthetic=painted,
        ),
        Arm(
            "oversampled-painted-filtered",
            "Real augmented, over-sampled + painted, UMAP-filtered",
            augmented=True,
            remedy="over_sampling",
            synthetic=painted,
            selection="umap",
        ),
    )


ARMS: Final = MappingProxyType({arm.name: arm for arm in _all()})
ALL_ARMS: Final[tuple[ArmName, ...]] = get_args(ArmName)


def arms_of(names: Sequence[str]) -> tuple[Arm, ...]:
    """Look arms up, in the order of the table; raises `KeyError` for a name that is none."""
    wanted = {ARMS[name].name for name in names}  # type: ignore[index]
    return tuple(arm for arm in ARMS.values() if arm.name in wanted)
