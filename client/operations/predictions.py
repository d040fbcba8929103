"""What classifiers said: tables of jobs, embeddings, crops that look alike."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from client.answers import record_of
from client.downloads import download
from client.errors import InvalidArgumentError
from client.records import Embedding, Neighbour, PredictedCrop
from client.transport import Transport

TABLE_SUFFIXES = (".csv", ".parquet")


class PredictionOperations:
    """Predictions and embeddings."""

    transport: Transport

    def predictions(self, job_id: str) -> Iterator[PredictedCrop]:
        """What a classification or scoring job said of every crop; read row by row.

        Raises
        ------
        ProblemError
            The job is of another kind (404) or has not ended (409).
        """
        with self.transport.stream(f"v1/jobs/{job_id}/predictions.csv", accept="text/csv") as response:
            for row in csv.DictReader(f"{line}\n" for line in response.iter_lines()):
                yield record_of(self.transport, PredictedCrop, row)

    def download_predictions(self, job_id: str, to: Path, *, embeddings: bool = False) -> Path:
        """Save a job's predictions; the suffix of `to` chooses CSV or Parquet.

        Parameters
        ----------
        embeddings
            Add a column of 512 numbers per crop; Parquet only.
        """
        suffix = to.suffix.lower()
        if suffix not in TABLE_SUFFIXES:
            raise InvalidArgumentError(
                f"Predictions are saved as {' or '.join(TABLE_SUFFIXES)}, not as {to.name!r}."
            )
        if embeddings and suffix != ".parquet":
            raise InvalidArgumentError("Embeddings go into a .parquet file; a CSV has no place for them.")
        return download(
            self.transport, f"v1/jobs/{job_id}/predictions{suffix}", to, embeddings=embeddings or None
        )

    def embedding(self, crop_id: str, *, classifier: str | None = None) -> Embedding:
        """A crop's newest embedding, of one classifier (``name/version`` or ``name/alias``) or of any."""
        params = {} if classifier is None else {"classifier": classifier}
        answer = self.transport.json("GET", f"v1/crops/{crop_id}/embedding", params=params)
        return record_of(self.transport, Embedding, answer)

    def similar(
        self,
        crop_id: str,
        k: int = 10,
        *,
        classifier: str | None = None,
        sample: str | None = None,
        job: str | None = None,
        origin: str | None = None,
    ) -> list[Neighbour]:
        """The `k` crops that look most alike to one classifier version, nearest first.

        Parameters
        ----------
        classifier
            Default: the version that embedded this crop last.
        sample, job, origin
            Only look among those.
        """
        given = {"k": k, "classifier": classifier, "sample": sample, "job": job, "origin": origin}
        answer = self.transport.json(
            "GET",
            f"v1/crops/{crop_id}/similar",
            params={name: value for name, value in given.items() if value is not None},
        )
        items = answer.get("items", []) if isinstance(answer, dict) else []
        return [record_of(self.transport, Neighbour, item) for item in items]
