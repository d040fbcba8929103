"""Fitting filters on the embeddings of a data set version, and filtering crops with them."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from services.jobs.params.base import (
    ARTIFACT_NAME,
    ARTIFACT_REF,
    DATASET_REF,
    MAX_CROPS_PER_JOB,
    CropId,
    JobParams,
    Request,
)
from services.jobs.params.classification import MAX_GROUPS

MAX_COMPONENTS: Final = 10

FilterMethod = Literal["umap", "mahalanobis", "knn", "probability", "none"]
_Level = Annotated[float, Field(gt=0, le=1)]
_Components = Annotated[int, Field(ge=1, le=MAX_COMPONENTS)]


class FilterFittingParams(JobParams):
    """How to fit a filter on the training embeddings of a data set version."""

    name: str = Field(pattern=ARTIFACT_NAME, description="The artifact that gets a new version.")
    dataset: str = Field(
        pattern=DATASET_REF,
        description="Data set as name/version: train is fitted, val serves the level and the report.",
    )
    method: FilterMethod = Field(
        "umap",
        description="umap: an ellipse on the map, as in the paper. mahalanobis: distance to the aberrations "
        "in the embedding, with a shrunk covariance. knn: distance to the nearest aberrations. probability: "
        "the classifier's alone. none: keeps everything. All of them draw the map.",
    )
    n_neighbors: int = Field(
        15, ge=2, le=200, description="Neighbours of the map and of the distance to the training data."
    )
    min_dist: float = Field(0.1, ge=0, le=1, description="How closely the map may pack points.")
    coordinates: Literal["leave_one_out", "k_fold", "fitted"] | None = Field(
        None,
        description="How the aberrations get the coordinates that the mixture is fitted on. leave_one_out, "
        "k_fold: projected like new crops. fitted: UMAP's own, as in the paper. Empty: the recipe's.",
    )
    num_folds: int = Field(5, ge=2, le=20, description="Of k_fold, and of mahalanobis's own distances.")
    num_components: _Components | Literal["bic"] = Field(
        2, description=f"Of the mixture, 1 to {MAX_COMPONENTS}; bic: the number with the least BIC."
    )
    num_inits: int = Field(10, ge=1, le=100, description="Starts of the mixture's fit; the best one counts.")
    level: _Level | Literal["weight", "validation"] | None = Field(
        None,
        description="Share of the aberrations that the filter lets in: a number, weight (of the dominant "
        "component, as in the paper; umap only), or validation (the best one on the val split). Empty: the "
        "method's own.",
    )
    max_percentile: float | None = Field(
        None,
        ge=50,
        le=100,
        description="Second gate: crops whose distance to the training embeddings is beyond this percentile "
        "of the training set's own are rejected. Empty: off, as in the paper.",
    )
    normal_ratio: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Fit on at most so many normals per aberration, drawn by the seed; empty: all.",
    )
    leave_out_groups: tuple[str, ...] = Field(
        (), max_length=MAX_GROUPS, description="Groups (slides) to keep out of the fit and the validation."
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="Of the normals drawn, the map, the folds and the mixture's starts."
    )
    licence: str | None = Field(None, max_length=200, description="SPDX expression or a short text.")
    description: str = Field("", max_length=4000, description="For the card: what it is, and for whom.")

    @model_validator(mode="after")
    def _level_exists(self) -> Self:
        if self.level == "weight" and self.method != "umap":
            raise ValueError(
                "Only the method umap has a mixture whose weight could be the level; give a number or "
                "validation."
            )
        if self.level == "validation" and self.method == "none":
            raise ValueError("The method none keeps everything at any level: leave the level out.")
        return self


class FilteringParams(JobParams):
    """How to filter crops; what is left empty is the filter's own, and can be moved afterwards."""

    level: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the aberrations that is let in; higher keeps more. Empty: the filter's own.",
    )
    max_percentile: float | None = Field(
        None,
        ge=0,
        le=100,
        description="Reject crops farther from the training embeddings than this percentile of the training "
        "set's own distances; 100 turns this gate off. Empty: the filter's own.",
    )


class FilterFittingRequest(Request, FilterFittingParams):
    """Fit a filter on the embeddings that one classifier version gives a data set version."""

    kind: Literal["filter_fitting"]
    classifier: str = Field(
        "translocation/production",
        pattern=ARTIFACT_REF,
        description="Whose embeddings are fitted; the filter can be used with this version only.",
    )


class FilteringRequest(Request, FilteringParams):
    """Filter crops that exist: those that a job made, some by their ids, or those of a data set."""

    kind: Literal["filtering"]
    job_id: str | None = Field(
        None, min_length=1, max_length=64, description="The job that made the crops, usually a generation."
    )
    crop_ids: tuple[CropId, ...] | None = Field(
        None, min_length=1, max_length=MAX_CROPS_PER_JOB, description="Crops by their ids."
    )
    dataset: str | None = Field(
        None, pattern=DATASET_REF, description="All crops of a data set; counts are told by class then."
    )
    filter: str = Field(
        "translocation/production",
        pattern=ARTIFACT_REF,
        description="Its classifier embeds crops that have no embedding yet.",
    )

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        names = ("job_id", "crop_ids", "dataset")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Give exactly one of {', '.join(names)}.")
        if self.crop_ids is not None and len(set(self.crop_ids)) != len(self.crop_ids):
            raise ValueError("crop_ids names a crop twice.")
        return self
