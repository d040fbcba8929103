"""Filters at work in the API process: rows scored at once, pictures, and what changed between versions.

Nothing here needs torch: a caller brings the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.filtering.difference import compare
from models.filtering.errors import ComparisonError
from models.filtering.filter import Filter
from models.filtering.scores import FilterScores
from models.manifold.manifold import MAX_VALUE
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.db.engine import SessionFactory
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.filtering.decisions import Decision
from services.filtering.loading import open_filter
from services.filtering.maps import MapMissingError
from services.storage.base import ObjectStore

MAX_ROWS: Final = 1000
# Together with the pool's threads this keeps a large request from taking every core for itself.
_THREADS: Final = 2
_COMPARED_ROWS: Final = 1000


class OtherClassifierError(InvalidInputError):
    """The embeddings come from a classifier that the filter was not fitted on."""

    code = "other_classifier"
    title = "The filter belongs to another classifier"

    def __init__(self, filter_ref: str, own: str, given: str) -> None:
        super().__init__(
            f"Filter {filter_ref} was fitted on embeddings of classifier {own}; those of {given} mean "
            f"nothing to it. Use a filter of {given}, or embed the crops with {own}.",
            "classifier",
        )


class FiltersDifferError(ConflictError):
    """Two filters have nothing in common that could be compared."""

    code = "filters_not_comparable"
    title = "These filters cannot be compared"


@dataclass(frozen=True)
class Scored:
    """Where a filter sees some rows, and which of them it keeps at a decision.

    Attributes
    ----------
    filter, classifier
        Exact ``name/version``.
    kept : (M,) bool
    """

    filter: str
    classifier: str
    decision: Decision
    scores: FilterScores
    kept: NDArray[np.bool_]


class FilterService:
    """Filters by name and version or alias; safe to use from several threads."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def score(
        self,
        name: str,
        version_or_alias: str,
        embeddings: Sequence[Sequence[float]],
        *,
        level: float | None = None,
        max_percentile: float | None = None,
        classifier: str | None = None,
    ) -> Scored:
        """Score rows as `Filter.score` does, bit for bit.

        Parameters
        ----------
        embeddings
            M rows, as many numbers each as the filter's classifier gives.
        level, max_percentile
            None is the filter's own; a percentile of 100 switches that gate off.
        classifier
            Whose embeddings they are, as ``name/version`` or ``name/alias``; None takes the caller's care
            for granted.

        Raises
        ------
        NotFoundError
            There is no such filter, or no such classifier.
        InvalidInputError
            There are no rows, or too many, or a row has another width or a number that no embedding has.
        OtherClassifierError
            The filter was fitted on embeddings of another classifier.
        KaryobridgeError
            The stored filter is damaged.
        """
        version, found = self._open(name, version_or_alias, classifier)
        rows = rows_of(embeddings, found.manifold.dimensions)
        decision = Decision(found.spec.level, found.spec.max_percentile).moved(level, max_percentile)
        scores = found.score(rows, threads=_THREADS)
        kept = scores.kept(decision.level, decision.max_percentile)
        return Scored(version.ref, found.spec.classifier, decision, scores, kept)

    def file(self, name: str, version_or_alias: str, filename: str) -> bytes:
        """Read a picture or page of a filter.

        Raises
        ------
        NotFoundError
            There is no such filter.
        MapMissingError
            It came without this file, as the one that is shipped comes without its page.
        ArtifactDamagedError
            The stored bytes are not those that were written.
        """
        version, artifacts = self._find(name, version_or_alias)
        if filename not in version.files:
            raise MapMissingError(
                f"Filter {version.ref}",
                f"it came without {filename}. The map of any job that it filters shows the same places: GET "
                "/v1/jobs/{id}/map.html.",
            )
        return artifacts.open_file(version, filename)

    def difference(self, name: str, version_or_alias: str, other: str) -> dict[str, object]:
        """Tell what changed from a version to another one of the same name.

        Verdicts are compared on up to a thousand of the embeddings that the two were fitted on.

        Raises
        ------
        NotFoundError
            One of the versions does not exist.
        FiltersDifferError
            They belong to different classifiers.
        KaryobridgeError
            A stored filter is damaged.
        """
        first_version, first = self._open(name, version_or_alias)
        second_version, second = self._open(name, other)
        try:
            found = compare(first, second, _common_rows(first, second), threads=_THREADS)
        except ComparisonError as error:
            raise FiltersDifferError(f"{first_version.ref} and {second_version.ref}: {error}") from error
        return {"first": first_version.ref, "second": second_version.ref, "difference": found}

    def _open(
        self, name: str, version_or_alias: str, classifier: str | None = None
    ) -> tuple[ArtifactVersion, Filter]:
        """Load a filter, after a look at whose embeddings it is for."""
        version, artifacts = self._find(name, version_or_alias, classifier)
        return version, open_filter(version, artifacts)

    def _find(
        self, name: str, version_or_alias: str, classifier: str | None = None
    ) -> tuple[ArtifactVersion, ArtifactService]:
        with self._session_factory() as session:
            artifacts = ArtifactService(session, self._store)
            version = artifacts.get("filter", name, version_or_alias)
            if classifier is not None:
                _check_classifier(artifacts, version, classifier)
        return version, artifacts


def rows_of(embeddings: Sequence[Sequence[float]], dimensions: int) -> NDArray[np.float32]:
    """Make an (M, D) float32 array of rows of numbers.

    Raises
    ------
    InvalidInputError
        There are no rows, or too many, or a row has another width or a number that no embedding has.
    """
    if not 0 < len(embeddings) <= MAX_ROWS:
        raise InvalidInputError(f"Send 1 to {MAX_ROWS} embeddings at once.", "embeddings")
    for index, row in enumerate(embeddings):
        if len(row) != dimensions:
            raise InvalidInputError(
                f"It has {len(row)} numbers; an embedding of the filter's classifier has {dimensions}.",
                f"embeddings.{index}",
            )
    with np.errstate(over="ignore"):
        rows = np.asarray(embeddings, np.float64).astype(np.float32)
    bad = np.flatnonzero(~(np.abs(rows) <= MAX_VALUE).all(axis=1))
    if bad.size:
        raise InvalidInputError(
            f"It has a number that is not finite, or beyond {MAX_VALUE:g}: no embedding has those.",
            f"embeddings.{bad[0]}",
        )
    return rows


def _check_classifier(artifacts: ArtifactService, version: ArtifactVersion, given: str) -> None:
    """Compare weights: a classifier may have another name here than where the filter was made."""
    own = version.manifest["classifier"]
    try:
        weights = artifacts.resolve("classifier", given).manifest.get("weights_sha256")
    except NotFoundError:
        # Whoever embeds elsewhere need not have the classifier here, but must know the right name.
        if given != own["ref"]:
            raise
        return
    if weights != own["weights_sha256"]:
        raise OtherClassifierError(version.ref, own["ref"], given)


def _common_rows(first: Filter, second: Filter) -> NDArray[np.float32]:
    """Some training embeddings of both, evenly over each."""
    share = _COMPARED_ROWS // 2
    parts = []
    for one in (first, second):
        rows = one.manifold.embeddings
        parts.append(rows[np.linspace(0, len(rows) - 1, min(share, len(rows))).round().astype(np.int64)])
    return np.concatenate(parts)
