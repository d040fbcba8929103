"""Chromosomes, and the verdicts that people give on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from client.answers import get, list_all, record_of
from client.records import Crop, Suggestion
from client.transport import Transport

MAX_VERDICTS_PER_REQUEST = 1000


class CropOperations:
    """Crops and annotations."""

    transport: Transport

    def crop(self, crop_id: str) -> Crop:
        """One crop."""
        return get(self.transport, Crop, f"v1/crops/{crop_id}")

    def crops(self, **filters: Any) -> Iterator[Crop]:
        """Crops, oldest first, or as `sort` says.

        Filters are those of ``GET /v1/crops``: `image`, `job`, `sample`, `origin`, `source_crop`,
        `class`, `predicted_class`, `min_probability`, `max_probability`, `classifier`, `dataset`,
        `annotated`, `filter`, `filtered_by`, `kept`, `level`, `max_percentile`, and `sort`
        (``-probability`` is the most suspicious first). A filter whose name is a
        word of Python takes an underscore (`class_`); None is left out.
        """
        return list_all(
            self.transport, Crop, "v1/crops", **{name.rstrip("_"): value for name, value in filters.items()}
        )

    def crop_png(self, crop_id: str, *, channel: str | None = None) -> bytes:
        """The picture of a crop, all channels in colour or one in grey."""
        params = {} if channel is None else {"channel": channel}
        return self.transport.send("GET", f"v1/crops/{crop_id}/image.png", params=params).content

    def annotate(self, crop_id: str, crop_class: str, annotator: str) -> Crop:
        """Record a person's verdict: ``normal``, ``aberration`` or ``excluded``."""
        body = {"class": crop_class, "annotator": annotator}
        return record_of(
            self.transport, Crop, self.transport.json("PUT", f"v1/crops/{crop_id}/annotation", json=body)
        )

    def annotate_all(self, verdicts: Iterable[tuple[str, str]], annotator: str) -> int:
        """Record a person's verdicts on many crops; returns how many.

        Parameters
        ----------
        verdicts
            Pairs of a crop's id and its class, each crop once. They travel a thousand at a time, and each
            thousand is recorded as a whole or not at all.

        Raises
        ------
        ProblemError
            A crop is unknown or may not be annotated; the thousands before stay.
        """
        rows = ({"crop_id": crop, "class": verdict, "annotator": annotator} for crop, verdict in verdicts)
        annotated = 0
        while chunk := list(islice(rows, MAX_VERDICTS_PER_REQUEST)):
            self.transport.json("PUT", "v1/crops/annotations", json={"annotations": chunk})
            annotated += len(chunk)
        return annotated

    def suggestions(
        self,
        *,
        job: str | None = None,
        image: str | None = None,
        sample: str | None = None,
        dataset: str | None = None,
    ) -> Iterator[Suggestion]:
        """Crops of one selection that a person may want to exclude, each with its reasons."""
        return list_all(
            self.transport,
            Suggestion,
            "v1/crops/suggestions",
            job=job,
            image=image,
            sample=sample,
            dataset=dataset,
        )
