"""Data sets: imported from a ZIP or frozen from verdicts, listed, exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from client.answers import get, list_all, record_of
from client.downloads import download
from client.errors import UnexpectedAnswerError
from client.records import Dataset, DatasetItem
from client.sending import send_file
from client.transport import Transport

# The service reads, checks and packs every picture before it answers.
ANSWER_TIMEOUT_S = 1800.0


class DatasetOperations:
    """Data set versions, which never change."""

    transport: Transport

    def import_dataset(
        self,
        name: str,
        archive: Path,
        *,
        licence: str | None = None,
        description: str | None = None,
        group_pattern: str | None = None,
        val_fraction: float | None = None,
        test_fraction: float | None = None,
        seed: int | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Dataset:
        """Upload a ZIP of labelled crops as the next version; the same content is the same version.

        Parameters
        ----------
        archive
            Pictures in ``{train,val,test}/{normal,aberration,unlabelled}/<slide>/``, or with a
            ``manifest.csv``.
        group_pattern
            Finds the slide in a file's name, for example ``{group}_*``.
        val_fraction, test_fraction, seed
            For an archive without splits.
        on_progress
            Called with the bytes sent.

        Raises
        ------
        ProblemError
            ``dataset_invalid`` or ``dataset_leakage``, with the list in `errors`.
        """
        told = {
            "name": name,
            "licence": licence,
            "description": description,
            "group_pattern": group_pattern,
            "val_fraction": val_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
        }
        answer = send_file(
            self.transport, "v1/datasets", archive, told, on_progress, answer_timeout_s=ANSWER_TIMEOUT_S
        )
        return record_of(self.transport, Dataset, answer)

    def freeze_dataset(
        self,
        name: str,
        *,
        samples: Sequence[str] = (),
        batch_ids: Sequence[str] = (),
        job_ids: Sequence[str] = (),
        crop_ids: Sequence[str] = (),
        group_by: str | None = None,
        splits: Mapping[str, Any] | None = None,
        include_unlabelled: bool = False,
        licence: str | None = None,
        description: str | None = None,
    ) -> Dataset:
        """Freeze annotated crops of one selection as the next version.

        Parameters
        ----------
        group_by
            ``slide`` or ``sample``: what never lies in two splits.
        splits
            Groups by name (``{"train": [...], "val": [...], "test": [...]}``) or shares
            (``{"val_fraction": 0.2, "test_fraction": 0.2, "seed": 0}``).
        include_unlabelled
            Take crops without a verdict as DAPI sources.

        Raises
        ------
        ProblemError
            Nothing is selected or annotated, or the splits share pixels, groups or chromosomes.
        """
        given = {
            "name": name,
            "samples": list(samples),
            "batch_ids": list(batch_ids),
            "job_ids": list(job_ids),
            "crop_ids": list(crop_ids),
            "group_by": group_by,
            "splits": None if splits is None else dict(splits),
            "include_unlabelled": include_unlabelled or None,
            "licence": licence,
            "description": description,
        }
        body = {key: value for key, value in given.items() if value not in (None, [])}
        answer = self.transport.json("POST", "v1/datasets", json=body, answer_timeout_s=ANSWER_TIMEOUT_S)
        return record_of(self.transport, Dataset, answer)

    def datasets(self) -> Iterator[Dataset]:
        """Every version, by name and number."""
        return list_all(self.transport, Dataset, "v1/datasets")

    def dataset_versions(self, name: str) -> list[Dataset]:
        """All versions of one name, oldest first."""
        path = f"v1/datasets/{name}"
        answer = self.transport.json("GET", path)
        if not isinstance(answer, dict) or not isinstance(answer.get("versions"), list):
            raise UnexpectedAnswerError(self.transport.base_url, f"{path} has no versions")
        return [record_of(self.transport, Dataset, version) for version in answer["versions"]]

    def dataset(self, name: str, version: int) -> Dataset:
        """One version."""
        return get(self.transport, Dataset, f"v1/datasets/{name}/{version}")

    def dataset_items(self, name: str, version: int) -> Iterator[DatasetItem]:
        """Crops of a version with their classes, splits and groups."""
        return list_all(self.transport, DatasetItem, f"v1/datasets/{name}/{version}/items")

    def export_dataset(self, name: str, version: int, to: Path) -> Path:
        """Save a version as a ZIP of pictures with a ``manifest.csv``, which can be imported again."""
        return download(self.transport, f"v1/datasets/{name}/{version}/export", to)
