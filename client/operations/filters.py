"""Filters: embeddings scored at once, jobs counted and decided anew, maps and tables saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from client.answers import record_of
from client.downloads import download
from client.errors import InvalidArgumentError
from client.records import FilterDifference, Filtering, Scores
from client.transport import Transport

MAX_ROWS_PER_REQUEST = 1000
MAP_SUFFIXES = (".html", ".png")


class FilterOperations:
    """Filters; fitting one and applying it to crops are jobs, which are submitted as all others are."""

    transport: Transport

    def score_embeddings(
        self,
        filter: str,  # noqa: A002 - as jobs call it
        embeddings: Iterable[Sequence[float]],
        *,
        level: float | None = None,
        max_percentile: float | None = None,
        classifier: str | None = None,
    ) -> Iterator[Scores]:
        """Score any number of embeddings, a thousand by each request; the answers come in their order.

        Parameters
        ----------
        filter
            ``name/version`` or ``name/alias``; a name alone means ``production``.
        embeddings
            Rows of 512 numbers, for example those of `embedding`.
        level, max_percentile
            None is the filter's own.
        classifier
            Whose embeddings they are: with it, the service refuses those of another classifier.

        Raises
        ------
        InvalidArgumentError
            A number is not finite; the rows of thousands before were scored.
        ProblemError
            The filter is unknown or another classifier's, or a row is none of its embeddings.
        """
        given = {"level": level, "max_percentile": max_percentile, "classifier": classifier}
        told = {name: value for name, value in given.items() if value is not None}
        rows = (_finite(index, row) for index, row in enumerate(embeddings))
        while chunk := list(islice(rows, MAX_ROWS_PER_REQUEST)):
            answer = self.transport.json("POST", f"{_path(filter)}/score", json={"embeddings": chunk, **told})
            yield record_of(self.transport, Scores, answer)

    def filtering(
        self, job_id: str, *, level: float | None = None, max_percentile: float | None = None
    ) -> Filtering:
        """Count a filtering job's crops before and after, as they are decided or as they would be.

        Raises
        ------
        ProblemError
            The job is none that filters (404), or it has not decided yet (409).
        """
        given = {"level": level, "max_percentile": max_percentile}
        params = {name: value for name, value in given.items() if value is not None}
        answer = self.transport.json("GET", f"v1/jobs/{job_id}/filtering", params=params)
        return record_of(self.transport, Filtering, answer)

    def redecide(self, job_id: str, level: float, *, max_percentile: float | None = None) -> Filtering:
        """Decide anew which crops of a filtering job are kept; nothing is computed again.

        Parameters
        ----------
        max_percentile
            None leaves that gate as it is; 100 switches it off.
        """
        body = {"level": level}
        if max_percentile is not None:
            body["max_percentile"] = max_percentile
        answer = self.transport.json("PUT", f"v1/jobs/{job_id}/filtering", json=body)
        return record_of(self.transport, Filtering, answer)

    def filter_difference(self, filter: str, other: str) -> FilterDifference:  # noqa: A002 - as above
        """Tell what changed from a version to another one of the same name, by its number or alias."""
        answer = self.transport.json("GET", f"{_path(filter)}/difference", params={"other": other})
        return record_of(self.transport, FilterDifference, answer)

    def download_filter_map(self, filter: str, to: Path) -> Path:  # noqa: A002 - as above
        """Save a filter's map: a page with a slider as ``.html``, or a picture as ``.png``."""
        names = {".html": "map.html", ".png": "plot.png"}
        return download(self.transport, f"{_path(filter)}/{names[map_suffix(to)]}", to)

    def download_job_map(self, job_id: str, to: Path) -> Path:
        """Save the map of a filtering job, with its crops: ``.html`` or ``.png``.

        Raises
        ------
        ProblemError
            ``map_missing`` says why there is none.
        """
        return download(self.transport, f"v1/jobs/{job_id}/map{map_suffix(to)}", to)

    def download_filter_scores(self, job_id: str, to: Path) -> Path:
        """Save what a job's filter said of every crop as CSV."""
        return download(self.transport, f"v1/jobs/{job_id}/filter_scores.csv", to)


def map_suffix(to: Path) -> str:
    """Return the suffix that chooses between page and picture; raises `InvalidArgumentError` for others."""
    suffix = to.suffix.lower()
    if suffix not in MAP_SUFFIXES:
        raise InvalidArgumentError(f"A map is saved as {' or '.join(MAP_SUFFIXES)}, not as {to.name!r}.")
    return suffix


def _finite(index: int, row: Sequence[float]) -> list[float]:
    numbers = [float(value) for value in row]
    if not all(map(math.isfinite, numbers)):
        raise InvalidArgumentError(f"Embedding {index} has a number that is not finite, and JSON has none.")
    return numbers


def _path(filter: str) -> str:  # noqa: A002 - as above
    name, _, version = filter.partition("/")
    return f"v1/artifacts/filter/{name}/{version or 'production'}"
