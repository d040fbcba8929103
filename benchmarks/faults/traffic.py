"""Clients that submit, upload and poll while something breaks, each request under a key of its own."""

from __future__ import annotations

import io
import random
import threading
import uuid
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import tifffile

from benchmarks.faults.stage import Stage
from client.errors import ConnectionFailedError, ProblemError

REQUESTS: Final = 6
JOIN_WITHIN_S: Final = 120.0


@dataclass
class Traffic:
    """A client in a thread: every request is repeated until it is answered, as the shipped client does.

    Attributes
    ----------
    accepted
        Ids of jobs that were answered with 2xx, by the caller's own reference.
    uploaded
        Samples whose upload was answered with 2xx.
    refused
        What went wrong for good.
    """

    stage: Stage
    rng: random.Random
    accepted: dict[str, str] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def breaches(self) -> dict[str, str]:
        """Wait for the last answer, and say what is wrong: each request must have been done once."""
        self._thread.join(JOIN_WITHIN_S)
        found = {"requests_failed": "; ".join(self.refused)} if self.refused else {}
        if self._thread.is_alive():
            found["requests_failed"] = f"no answer within {JOIN_WITHIN_S:.0f} s"
            return found
        jobs = "SELECT id FROM jobs WHERE external_id = :key"
        for key, job_id in self.accepted.items():
            ids = [row.id for row in self.stage.rows(jobs, key=key)]
            if job_id not in ids:
                found["lost"] = f"{key} was answered with {job_id} and is gone"
            elif len(ids) > 1:
                found["items_doubled"] = f"{key} made the jobs {ids}"
        images = "SELECT count(*) FROM images WHERE sample = :sample"
        for sample in self.uploaded:
            (number,) = self.stage.rows(images, sample=sample)[0]
            if number != 1:
                found["lost" if number == 0 else "items_doubled"] = f"{sample} has {number} images"
        return found

    def _run(self) -> None:
        with self.stage.client() as client:
            for number in range(REQUESTS):
                try:
                    if number % 2:
                        self._upload(client)
                    else:
                        key = f"traffic-{uuid.uuid4().hex}"
                        self.accepted[key] = client.submit("diagnostic", external_id=key, items=1).id
                        client.job(self.accepted[key])
                except (ConnectionFailedError, ProblemError) as error:
                    self.refused.append(str(error).partition("\n")[0])

    def _upload(self, client: object) -> None:
        sample = f"traffic-{uuid.uuid4().hex}"
        stream = io.BytesIO()
        pixels = np.random.default_rng(self.rng.randrange(2**32)).integers(0, 200, (32, 40), dtype=np.uint8)
        tifffile.imwrite(stream, pixels, photometric="minisblack")
        client.transport.json(  # type: ignore[attr-defined]
            "POST",
            "v1/batches",
            data={"sample": sample, "channels": '{"dapi": 0}'},
            files=[("files", ("cell.tif", io.BytesIO(stream.getvalue())))],
        )
        self.uploaded.append(sample)
