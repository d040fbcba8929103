"""A simulation of one queue: jobs arrive with their images, workers take one job at a time.

Discrete events, one pass: the next job goes to the worker that is free first, exactly as a queue that
all workers share gives it out. Everything is drawn from one seeded generator.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Load:
    """What arrives.

    Attributes
    ----------
    images_per_min
        Metaphases per minute, on average.
    images_per_job
        Metaphases of one sample's job, on average; drawn from a geometric distribution.
    burst
        How many jobs arrive at the same moment, as when a scanner's magazine ends.
    """

    images_per_min: float
    images_per_job: float
    burst: int


@dataclass(frozen=True)
class Workers:
    """Who does it.

    Attributes
    ----------
    number
        Workers, each running one job at a time.
    image_s
        Seconds of one worker for one metaphase, on average.
    image_spread
        Standard deviation of that, as a part of it.
    job_s
        Seconds that a job costs beside its images: claim, records, messages.
    """

    number: int
    image_s: float
    image_spread: float
    job_s: float


@dataclass(frozen=True)
class Outcome:
    """What each job met, in seconds, in the order of arrival."""

    waits_s: NDArray[np.float64]
    times_s: NDArray[np.float64]
    busy: float

    def percentiles(self, values: NDArray[np.float64]) -> tuple[float, float, float]:
        """Return p50, p95 and p99."""
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        return float(p50), float(p95), float(p99)


def arrivals(
    load: Load, duration_s: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw when jobs arrive, and how many images each has."""
    bursts_per_s = load.images_per_min / 60 / load.images_per_job / load.burst
    number = rng.poisson(bursts_per_s * duration_s)
    moments = np.repeat(np.sort(rng.uniform(0, duration_s, number)), load.burst)
    extra = rng.geometric(1 / load.images_per_job, moments.size)
    return moments, extra


def simulate(load: Load, workers: Workers, duration_s: float, seed: int, warm_up: float = 0.1) -> Outcome:
    """Run the queue for `duration_s` of arrivals and until the last job has ended.

    Parameters
    ----------
    warm_up
        The part of the arrivals, from the first on, that fills the queue and is not counted.
    """
    rng = np.random.default_rng(seed)
    moments, sizes = arrivals(load, duration_s, rng)
    shape = 1 / workers.image_spread**2
    # The sum of n gamma numbers of one scale is a gamma number of n times the shape.
    services = workers.job_s + rng.gamma(shape * sizes, workers.image_s / shape)
    free = [0.0] * workers.number
    waits = np.empty(moments.size)
    for index, (moment, service) in enumerate(zip(moments, services, strict=True)):
        start = max(moment, heapq.heappop(free))
        heapq.heappush(free, start + service)
        waits[index] = start - moment
    counted = slice(int(warm_up * moments.size), None)
    busy = float(services.sum() / (workers.number * max(*free, duration_s)))
    return Outcome(waits[counted], (waits + services)[counted], busy)
