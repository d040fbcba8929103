"""Why a data set was refused, with a list of everything that was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.errors import InvalidInputError

MAX_LISTED = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where (a file, a crop, a group), and what to do."""

    where: str
    message: str


class Findings:
    """Gathers what is wrong; keeps the first ones and counts all, so that memory stays flat."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self.count = 0

    def add(self, where: str, message: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self._listed) < MAX_LISTED:
            self._listed.append(Finding(where, message))

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._listed)

    def __bool__(self) -> bool:
        return self.count > 0


class InvalidDatasetError(InvalidInputError):
    """Files, labels or groups that cannot become a data set; `problems` lists up to 20 of them."""

    code = "dataset_invalid"
    title = "The data set is not valid"
    what = "problems"

    def __init__(self, findings: Findings, advice: str = "Correct them and send everything again.") -> None:
        first = next(iter(findings))
        listed = f"{findings.count} {self.what}" if findings.count > 1 else "1 " + self.what.removesuffix("s")
        super().__init__(f"{listed}; first {first.where}: {first.message} {advice}")
        self.problems: Sequence[tuple[str, str]] = [(found.where, found.message) for found in findings]


class DatasetLeakageError(InvalidDatasetError):
    """The same pixels, group or chromosome lie in two splits: results would be better than the truth."""

    code = "dataset_leakage"
    title = "The splits of the data set share something"
    what = "overlaps"
