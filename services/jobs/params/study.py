"""A study: the paper's whole experiment on a data set version, arm against arm."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from models.study.arms import ArmName, GeneratorName
from models.study.conditions import ALL, MAX_NAME, WITHOUT
from services.jobs.params.base import ARTIFACT_NAME, ARTIFACT_REF, DATASET_REF, JobParams, Request
from services.jobs.params.classification import MAX_GROUPS

MAX_CANDIDATES: Final = 100_000
_LINE_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.]{{0,{MAX_NAME - 1}}}")
_Group = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_GeneratorRef = Annotated[str, StringConstraints(pattern=ARTIFACT_REF)]
_Arms = Annotated[tuple[ArmName, ...], Field(min_length=1)]


class StudyParams(JobParams):
    """Which arms are compared on which crops; what is left empty is the size's own."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version: the report.")
    dataset: str = Field(pattern=DATASET_REF, description="Data set as name/version.")
    size: Literal["quick", "cpu", "full"] = Field(
        "full",
        description="quick: minutes on two cores, to see a report; proves nothing. cpu: the largest honest "
        "one in a few hours without a GPU. full: the paper's settings, for a GPU.",
    )
    arms: _Arms | None = Field(None, description="What is compared; empty: the size's arms.")
    num_seeds: int | None = Field(None, ge=1, le=50, description="Networks per arm; the paper has ten.")
    seed: int = Field(0, ge=0, lt=2**31, description="The first of them, and the seed of everything shared.")
    leave_out: dict[str, tuple[_Group, ...]] = Field(
        default_factory=dict,
        max_length=20,
        description="Named sets of groups, for example the slides of a cell line. For each of them the arms "
        "are also trained without these groups, and held against them: a stand-in for a new patient.",
    )
    aberration_counts: tuple[Annotated[int, Field(ge=2, le=100_000)], ...] = Field(
        (),
        max_length=10,
        description="The arms are also trained with only so many training aberrations: the learning curve.",
    )
    condition_arms: _Arms | None = Field(
        None, description="Arms of leave_out and aberration_counts; empty: the size's arms for them."
    )
    condition_seeds: int | None = Field(None, ge=1, le=50, description="Their networks per arm.")
    generators: dict[str, dict[GeneratorName, _GeneratorRef]] = Field(
        default_factory=dict,
        max_length=40,
        description="Trained generators to use instead of training new ones: condition (all, without-NAME, "
        "aberrations-NUMBER) to method to name/version. Refused if one has learnt from a group that its "
        "condition must not know.",
    )
    canvas_px: int | None = Field(None, ge=32, le=256, multiple_of=16, description="Side of every crop.")
    scale: float | None = Field(None, gt=0.05, le=8, description="Canvas pixels per image pixel.")
    normal_ratio: float | None = Field(
        None, gt=0, le=1000, description="Train on at most so many normals per aberration of the whole set."
    )
    steps: int | None = Field(
        None, ge=2, le=1_000_000, description="Optimiser steps of every classifier, whatever its arm."
    )
    batch_size: int | None = Field(None, ge=4, le=4096, description="Crops per optimiser step.")
    generator_steps: int | None = Field(None, ge=1, le=10_000_000, description="Of the Brownian Bridge.")
    cyclegan_steps: int | None = Field(None, ge=1, le=10_000_000, description="Of the CycleGAN.")
    candidates: int | None = Field(
        None, ge=8, le=MAX_CANDIDATES, description="Synthetic crops that each generator makes at most."
    )
    synthetic_ratio: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="At most so many synthetic crops per training aberration are added, drawn at random "
        "from those that are let in; empty: the size's own.",
    )
    level: Annotated[float, Field(gt=0, le=1)] | Literal["weight", "validation"] | None = Field(
        None,
        description="Of the UMAP filter: a share of the aberrations, the weight of the dominant component "
        "(the paper's), or the best on validation. Empty: weight. The other filters let in as many "
        "synthetic crops as it does, those that they rank best.",
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000, description="For the report: what it is, and for whom.")

    @model_validator(mode="after")
    def _conditions_have_names(self) -> Self:
        for name, groups in self.leave_out.items():
            if not _LINE_NAME.fullmatch(name):
                raise ValueError(
                    f"leave_out: {name[:80]!r} cannot be a name; use up to {MAX_NAME} letters, digits, _ "
                    "and dots."
                )
            if not groups or len(groups) > MAX_GROUPS:
                raise ValueError(f"leave_out: {name} names 1 to {MAX_GROUPS} groups, not {len(groups)}.")
        if len(set(self.aberration_counts)) != len(self.aberration_counts):
            raise ValueError("aberration_counts names a number twice.")
        known = {ALL, *(f"{WITHOUT}{name}" for name in self.leave_out)}
        known |= {f"aberrations-{count}" for count in self.aberration_counts}
        for condition, methods in self.generators.items():
            if condition not in known:
                raise ValueError(
                    f"generators: no condition {condition[:80]!r}; known: {', '.join(sorted(known))}."
                )
            if "painted" in methods:
                raise ValueError("generators: the painter needs no training; leave painted out.")
        return self


class StudyRequest(Request, StudyParams):
    """Compare ways of training on a data set version, with and without synthetic aberrations."""

    kind: Literal["study"]
