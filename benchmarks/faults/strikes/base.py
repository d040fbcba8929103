"""What every fault has: an installation that it can be done to, and the deed with its undoing."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.faults.stage import Options, Seen, Stage


class NotPossibleError(Exception):
    """It cannot be done on this machine; the message says what is missing."""


@dataclass
class Blow:
    """What was done.

    Attributes
    ----------
    facts
        For the record.
    breaches
        What went wrong already.
    job_ids
        Jobs that were submitted meanwhile and have to end too.
    struck
        Ids of the jobs that it really met; None: all that it was meant for.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    breaches: dict[str, str] = field(default_factory=dict)
    job_ids: list[str] = field(default_factory=list)
    struck: tuple[str, ...] | None = None


class Fault(ABC):
    """One way in which an installation can suffer.

    Attributes
    ----------
    name, title
        Short name for files and options; what it is, for people.
    place
        Faults of the same place can be done to one installation.
    jobs_at_once
        How many jobs run, or wait, when it strikes.
    counts_waiting
        Whether a job that is queued when it strikes has been through it too.
    own_broker
        Whether it needs the Redis that the installation starts, instead of a broker that runs already.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    place: ClassVar[str] = "plain"
    jobs_at_once: ClassVar[int] = 4
    counts_waiting: ClassVar[bool] = False
    own_broker: ClassVar[bool] = False

    @contextmanager
    def options(self, folder: Path, broker_url: str) -> Iterator[Options]:
        """Make ready what the installation needs beside its processes.

        Raises
        ------
        NotPossibleError
        """
        del folder
        yield Options(broker_url=broker_url)

    def strikes(self, job: Seen) -> bool:
        """Whether a job is in the midst of what the fault is to meet."""
        return job.status == "running" or (self.counts_waiting and job.status == "queued")

    @abstractmethod
    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Do it to the jobs that run, and undo it."""


def pause(rng: random.Random, least_s: float, most_s: float) -> float:
    """Wait for a random time and return it."""
    seconds = rng.uniform(least_s, most_s)
    time.sleep(seconds)
    return round(seconds, 3)
