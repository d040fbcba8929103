"""Steps of a study that filter: embeddings of one network, filters fitted on them, crops that they let in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classification.classifier import Classifier
from models.filtering.errors import FilterFitError
from models.filtering.files import from_bytes, to_bytes
from models.filtering.filter import Filter
from models.filtering.fitting import FitData, FitParams, fit_filter
from models.filtering.scores import FilterScores
from models.study.mixing import ranked
from models.study.plan import Step
from services.errors import InvalidInputError
from services.pipelines.study.training import classifier_of
from services.pipelines.study.work import Saver, StudyWork
from services.studies.cache import StepResult

_CROPS_PER_LOOK = 2048


def embed(work: StudyWork, step: Step) -> StepResult:
    """Embed the real crops of training and validation, or the candidates of one generator.

    The network is the one trained on augmented real crops from the study's first seed. Of the test split
    nothing is embedded.
    """
    saver = Saver(work, step.key)
    classifier = classifier_of(work, step.needs["base"], step)
    if step.spec["of"] != "real":
        canvases = work.result_of(step.needs["candidates"]).arrays["canvases"]
        scores = _scored(work, classifier, canvases)
        arrays = {"embeddings": scores[0], "probabilities": scores[1]}
        return StepResult(arrays, {"seconds": saver.seconds})
    data = work.data_of(step)
    train, val = (_scored(work, classifier, rows.canvases)[0] for rows in (data.train, data.val))
    weight, bias = classifier.head
    arrays = {"train": train, "val": val, "head_weight": weight, "head_bias": bias}
    facts = {"temperature": classifier.spec.temperature, "classifier_sha256": classifier.weights_sha256}
    return StepResult(arrays, {"seconds": saver.seconds, **facts})


def fit(work: StudyWork, step: Step) -> StepResult:
    """Fit one filter on the embeddings of the real crops.

    Raises
    ------
    InvalidInputError
        The crops do not suffice; the message says what would.
    """
    saver = Saver(work, step.key)
    real, data = work.result_of(step.needs["real"]), work.data_of(step)
    params = FitParams(
        method=step.spec["rule"], level=step.spec["level"], seed=work.context.job.params["seed"]
    )
    try:
        fitted = fit_filter(
            FitData(
                embeddings=real.arrays["train"],
                labels=data.train.labels,
                groups=data.train.groups,
                val_embeddings=real.arrays["val"],
                val_labels=data.val.labels,
                head_weight=real.arrays["head_weight"],
                head_bias=real.arrays["head_bias"],
                temperature=real.facts["temperature"],
            ),
            params,
            classifier="study/1",
            classifier_sha256=real.facts["classifier_sha256"],
            threads=work.threads,
            told=lambda _done, _total, message: work.say(message),
            check=work.context.check,
        )
    except FilterFitError as error:
        raise InvalidInputError(f"In the condition {step.condition.name!r}: {error}", "dataset") from error
    content = np.frombuffer(to_bytes(fitted.filter), np.uint8)
    spec = fitted.filter.spec
    facts = {"level": spec.level, "level_reason": spec.level_reason, "report": fitted.report}
    return StepResult({"filter": content}, {"seconds": saver.seconds, **facts})


class Selector:
    """Says which candidates each filter of a condition lets in; a filter is opened once."""

    def __init__(self, work: StudyWork) -> None:
        self._work = work
        self._filters: dict[str, Filter] = {}
        self._scores: dict[tuple[str, str], FilterScores] = {}

    def filter_of(self, key: str) -> Filter:
        """Return a fitted filter."""
        if key not in self._filters:
            self._filters[key] = from_bytes(self._work.result_of(key).arrays["filter"].tobytes())
        return self._filters[key]

    def scores(self, filter_key: str, embeddings_key: str) -> FilterScores:
        """Return what a filter says of one generator's candidates."""
        key = (filter_key, embeddings_key)
        if key not in self._scores:
            rows = self._work.result_of(embeddings_key).arrays["embeddings"]
            opened = self.filter_of(filter_key)
            self._scores[key] = opened.score(rows, threads=self._work.threads, check=self._work.context.check)
        return self._scores[key]

    def kept(self, step: Step, method: str) -> dict[str, NDArray[np.int64]]:
        """Return the rows of a generator's candidates that each filter of a run lets in.

        The UMAP filter decides by its level. The others let in as many crops as it does, those that they
        rank best: a comparison of rules, not of numbers.
        """
        embeddings = step.needs[f"embeddings-{method}"]
        umap = self.filter_of(step.needs["filter-umap"])
        inside = self.scores(step.needs["filter-umap"], embeddings).kept(umap.spec.level)
        kept = {"umap": np.flatnonzero(inside)}
        for name, key in step.needs.items():
            rule = name.removeprefix("filter-")
            if name.startswith("filter-") and rule != "umap":
                needed = self.scores(key, embeddings).needed_level
                kept[rule] = ranked(needed, len(kept["umap"]))
        return kept


def _scored(work: StudyWork, classifier: Classifier, canvases: NDArray[np.uint8]) -> tuple[Any, Any]:
    """Embeddings (N, 512) float32 and probabilities (N,) float64."""
    embeddings, probabilities = [np.zeros((0, 512), np.float32)], [np.zeros(0)]
    for start in range(0, len(canvases), _CROPS_PER_LOOK):
        work.context.check()
        scores = classifier.score(canvases[start : start + _CROPS_PER_LOOK])
        embeddings.append(scores.embeddings)
        probabilities.append(scores.probabilities)
        work.say(f"{start:,} of {len(canvases):,} crops")
    return np.concatenate(embeddings), np.concatenate(probabilities)
