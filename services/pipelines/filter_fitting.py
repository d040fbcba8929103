"""Fitting a filter on the embeddings that one classifier version gives a data set version.

The training split is fitted; validation chooses the level, where a job asks for that, and measures what
is kept. The test split is never read. Embeddings are taken up where a killed worker left them; the fit
itself starts again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.classification.classifier import Classifier
from models.filtering.errors import FilterFitError
from models.filtering.files import to_bytes
from models.filtering.fitting import FitData, FitParams, FittedFilter, fit_filter
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.datasets.repository import DatasetRepository
from services.datasets.types import DatasetVersion
from services.errors import InvalidInputError
from services.filtering.loading import FILTER_FILE
from services.jobs.context import JobContext
from services.jobs.params import FilterFittingParams
from services.pipelines.device import threads_of
from services.pipelines.filter_card import filter_card
from services.pipelines.filter_data import UNIT, FilterItems, FitEmbeddings, SplitRows, choose_items
from services.pipelines.filter_manifest import Fitted, filter_manifest
from services.pipelines.filter_map import artifact_map
from services.pipelines.filter_map_series import Sight
from services.pipelines.resources import Resources
from services.pipelines.scores import open_classifier
from services.pipelines.simulated import learnt_from_simulation

_FIT_STEPS = 5  # those of the fit, and the pictures


@dataclass(frozen=True)
class _Opened:
    """A classifier at work, and the version that it is."""

    version: ArtifactVersion
    classifier: Classifier


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Embed, fit and add an artifact version.

    Raises
    ------
    InvalidInputError
        The data set cannot fit a filter: the message says what is missing.
    KaryobridgeError
        The classifier cannot be loaded, or a crop is damaged.
    """
    params = FilterFittingParams.model_validate(context.job.params)
    opened = _open(context, resources)
    dataset, chosen = _choose(resources, params)
    num_steps = len(chosen) + _FIT_STEPS
    embeddings = FitEmbeddings(context, resources, opened.version.ref, num_steps)
    context.when_overtaken(embeddings.forget)
    train, val = embeddings.embed(chosen)
    fitted = _fit(context, resources, opened, train, val)
    made = Fitted(params, dataset, opened.version, chosen, train, val, fitted, to_bytes(fitted.filter))
    context.progress(num_steps - 1, num_steps, UNIT, "drawing the map")
    context.tell()
    result = _add_version(context, resources, opened, made)
    context.progress(num_steps, num_steps, UNIT, "done")
    embeddings.forget()
    return result


def _open(context: JobContext, resources: Resources) -> _Opened:
    ref, classifier = open_classifier(context.job.artifacts["classifier"], resources)
    with resources.session_factory() as session:
        return _Opened(ArtifactService(session, resources.store).resolve("classifier", ref), classifier)


def _choose(resources: Resources, params: FilterFittingParams) -> tuple[DatasetVersion, FilterItems]:
    with resources.session_factory() as session:
        repository = DatasetRepository(session)
        dataset = repository.resolve(params.dataset)
        items = repository.items(dataset)
    return dataset, choose_items(items, params.leave_out_groups, params.normal_ratio, params.seed)


def _fit(
    context: JobContext, resources: Resources, opened: _Opened, train: SplitRows, val: SplitRows
) -> FittedFilter:
    params = FilterFittingParams.model_validate(context.job.params)
    weight, bias = opened.classifier.head
    embedded = len(train.items) + len(val.items)

    def told(done: int, _total: int, message: str) -> None:
        context.progress(embedded + done, embedded + _FIT_STEPS, UNIT, message)
        context.tell()  # each step may take long

    try:
        data = FitData(
            embeddings=train.embeddings,
            labels=train.labels,
            groups=train.groups,
            val_embeddings=val.embeddings,
            val_labels=val.labels,
            head_weight=weight,
            head_bias=bias,
            temperature=opened.classifier.spec.temperature,
        )
        return fit_filter(
            data,
            _fit_params(params),
            classifier=opened.version.ref,
            classifier_sha256=opened.classifier.weights_sha256,
            threads=threads_of(resources.settings),
            told=told,
            check=context.check,
        )
    except FilterFitError as error:
        raise InvalidInputError(str(error), "dataset") from error


def _fit_params(params: FilterFittingParams) -> FitParams:
    """Return what the fit needs to know; what a job leaves empty is as `FitParams` has it."""
    names = (
        *("method", "n_neighbors", "min_dist", "coordinates", "num_folds", "num_components"),
        *("num_inits", "level", "max_percentile", "seed"),
    )
    return FitParams(**{name: value for name in names if (value := getattr(params, name)) is not None})


def _add_version(context: JobContext, resources: Resources, opened: _Opened, made: Fitted) -> dict[str, Any]:
    manifest = filter_manifest(context.job, made)
    manifest |= learnt_from_simulation(context.job, made.dataset, resources)
    sight = Sight(
        resources, opened.classifier.spec.preprocessing, context.check, threads_of(resources.settings)
    )
    pictures = artifact_map(
        made.fitted.filter, title=f"Filter {made.params.name}", train=made.train, val=made.val, sight=sight
    )
    files = {FILTER_FILE: made.content, "card.md": filter_card(manifest).encode(), **pictures}
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            "filter", made.params.name, manifest, files, job_id=context.job.id
        )
    artifact = f"/v1/artifacts/filter/{version.ref}"
    return {
        "artifact": version.ref,
        "classifier": made.classifier.ref,
        **{name: manifest["filter"][name] for name in ("method", "level", "level_reason", "max_percentile")},
        "metrics": {name: told for name, told in manifest["metrics"].items() if name != "curve"},
        "notes": manifest["fit"]["notes"],
        "links": {"artifact": artifact, "map": f"{artifact}/map.html", "plot": f"{artifact}/plot.png"},
    }
