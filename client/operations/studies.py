"""Studies: planned before they are submitted, and their reports saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client.answers import list_all, record_of
from client.downloads import download
from client.errors import InvalidArgumentError
from client.records import Study, StudyPlan
from client.transport import Transport

REPORT_FILES = (
    "report.html",
    "report.pdf",
    "results.json",
    "runs.csv",
    "summaries.csv",
    "comparisons.csv",
)


class StudyOperations:
    """Plans and reports; the studies themselves are jobs of the kind ``study``."""

    transport: Transport

    def plan_study(self, **body: Any) -> StudyPlan:
        """Tell what a study would do and cost; nothing is started.

        Parameters
        ----------
        body
            As for ``submit("study", …)``. None is left out.

        Raises
        ------
        ProblemError
            The study cannot run: the data set or a generator is unknown, a group is not in the data set, or
            there is too little to learn from.
        """
        given = {name: value for name, value in body.items() if value is not None}
        return record_of(
            self.transport, StudyPlan, self.transport.json("POST", "v1/studies/plan", json=given)
        )

    def studies(self) -> Iterator[Study]:
        """Studies that have ended, by name and number."""
        return list_all(self.transport, Study, "v1/studies")

    def download_study(self, study: str, folder: Path) -> list[Path]:
        """Save the report of a study and its tables to a folder; files that are there are replaced.

        Parameters
        ----------
        study
            ``name/version`` or ``name/alias``.
        """
        name, _, version = study.partition("/")
        if not name or not version:
            raise InvalidArgumentError(f"{study!r} is no study; write name/version or name/alias.")
        path = f"v1/artifacts/study/{name}/{version}"
        return [download(self.transport, f"{path}/{file}", folder / file) for file in REPORT_FILES]
