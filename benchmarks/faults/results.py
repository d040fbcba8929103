"""Rounds on disk: a line of JSON per job, written at once, so that a run that is cut keeps what it has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BREACHES: Final = (
    "lost",
    "stuck",
    "wrong_end",
    "crops_doubled",
    "items_doubled",
    "artifacts_damaged",
    "results_differ",
    "leases_left",
    "orphans",
    "messages_left",
    "requests_failed",
)
"""What may be wrong with a job, or with what belongs to no single one, after a round."""


@dataclass(frozen=True)
class Results:
    """A file per fault below a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def file(self, fault: str) -> Path:
        """Where the rounds of a fault lie."""
        return self.folder / f"{fault}.jsonl"

    def read(self, fault: str) -> list[dict[str, Any]]:
        """Return what there is."""
        file = self.file(fault)
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def add(self, fault: str, line: Mapping[str, Any]) -> None:
        """Write one line."""
        with self.file(fault).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, sort_keys=True) + "\n")

    def strikes(self, fault: str) -> Counter[str]:
        """Count, by kind, the jobs that a fault struck in the midst of their work."""
        return Counter(line["kind"] for line in self.read(fault) if line["hit"])

    def last_round(self, fault: str) -> int:
        """Return the number of the last round; 0 if there is none."""
        return max((line["round"] for line in self.read(fault)), default=0)
