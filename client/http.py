"""`Client`: every operation of the service as a typed, synchronous method.

Examples
--------
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     report = client.upload(["slide1/"], sample="S-1042", channels={"dapi": "*D.tif"})
...     job = client.wait(client.submit("scoring", image_ids=report.image_ids).id)
...     flagged = list(client.crops(job=job.id, predicted_class="aberration", sort="-probability"))
"""

from __future__ import annotations

import os
from typing import Any, Self

from client.answers import record_of
from client.operations import (
    AccessOperations,
    ArtifactOperations,
    CropOperations,
    DatasetOperations,
    FilterOperations,
    GenerationOperations,
    ImageOperations,
    JobOperations,
    PredictionOperations,
    StudyOperations,
    WebhookOperations,
)
from client.records import Health
from client.transport import Transport

DEFAULT_URL = "http://127.0.0.1:8000"


class Client(
    ImageOperations,
    JobOperations,
    CropOperations,
    PredictionOperations,
    DatasetOperations,
    ArtifactOperations,
    GenerationOperations,
    FilterOperations,
    StudyOperations,
    WebhookOperations,
    AccessOperations,
):
    """A connection to one service; safe to use from several threads.

    Parameters
    ----------
    base_url, api_key
        Default to ``KARYOBRIDGE_URL`` and ``KARYOBRIDGE_API_KEY`` of the environment, then to the
        embedded service of this machine without a key.
    transport_options
        `timeout_s`, `retry`, … as `client.transport.Transport` takes them.
    """

    def __init__(
        self, base_url: str | None = None, api_key: str | None = None, **transport_options: Any
    ) -> None:
        url = base_url or os.environ.get("KARYOBRIDGE_URL") or DEFAULT_URL
        key = api_key or os.environ.get("KARYOBRIDGE_API_KEY") or None
        self.transport = Transport(url, key, **transport_options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def health(self) -> Health:
        """Whether database, broker and object store are reachable; being away is an answer, no error."""
        return record_of(
            self.transport, Health, self.transport.json("GET", "readyz", accepted=frozenset({503}))
        )
